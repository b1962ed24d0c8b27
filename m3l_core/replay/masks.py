"""Masks in the making: the engine works on frames while the ones after them are read."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from m3l_core.frames import RgbdFrame
from m3l_core.stream.seeing import at_size

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from m3l_core.replay.observing import Used
    from m3l_core.runtime import Segmenter


@dataclass(frozen=True, eq=False)
class Masks:
    """What the network says about one frame.

    Attributes:
        labels: `(H, W)` class indices, 255 where it is not sure enough.
        confidence: `(H, W)` 255 times the probability of the label.
        alone: The labels of the pair's RGB alone and of its depth alone, if they were asked for.
        engine_ms: Time the engine took for `labels`.
    """

    labels: NDArray[np.uint8]
    confidence: NDArray[np.uint8]
    alone: dict[Used, NDArray[np.uint8]]
    engine_ms: float


class MaskMaker:
    """Labels frames in as many threads as the engine has streams.

    What a frame gives does not depend on those beside it, so the order in which masks are asked
    for, and later taken in, decides alone what a run records.

    Args:
        segmenter: The network.
        min_confidence: Probability below which a pixel gets no label.
    """

    def __init__(self, segmenter: Segmenter, min_confidence: float) -> None:
        self._segmenter = segmenter
        self._min_confidence = min_confidence
        self._threads = ThreadPoolExecutor(segmenter.engine.streams, 'm3l-engine')

    def start(self, frame: RgbdFrame, *, with_alone: bool = False) -> Future[Masks]:
        """Return the masks of a frame to come; their `result` raises what the engine raises.

        Args:
            frame: What to label; it must not change any more.
            with_alone: Whether to label either image of this pair alone, too.
        """
        return self._threads.submit(self._masks, frame, with_alone)

    def _masks(self, frame: RgbdFrame, with_alone: bool) -> Masks:
        said = self._segmenter.segment(frame)
        alone: dict[Used, NDArray[np.uint8]] = {}
        if with_alone:
            alone['rgb'] = self._labels(RgbdFrame(frame.rgb, None))
            alone['depth'] = self._labels(at_size(RgbdFrame(None, frame.depth_m), frame.size))
        labels = said.sure_labels(self._min_confidence)
        return Masks(labels, said.confidence, alone, said.engine_ms)

    def _labels(self, frame: RgbdFrame) -> NDArray[np.uint8]:
        return self._segmenter.segment(frame).sure_labels(self._min_confidence)

    def close(self) -> None:
        """Wait for what the engine has begun; what it has not is left."""
        self._threads.shutdown(cancel_futures=True)
