"""From a frame of any size to its labels, with whichever engine."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from m3l_core.classes import IGNORE
from m3l_core.preprocess import Letterbox

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from m3l_core.frames import RgbdFrame
    from m3l_core.runtime.engine import Engine


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What the network says about a frame.

    Attributes:
        labels: `(H, W)` class index of each pixel, at the frame's size.
        confidence: `(H, W)` 255 times the probability of that class.
        engine_ms: Time the engine took, without fitting the images.
    """

    labels: NDArray[np.uint8]
    confidence: NDArray[np.uint8]
    engine_ms: float

    def sure_labels(self, min_confidence: float) -> NDArray[np.uint8]:
        """Return the labels, `IGNORE` where the probability is below `min_confidence`."""
        if min_confidence <= 0:
            return self.labels
        return np.where(self.confidence >= 255 * min_confidence, self.labels, np.uint8(IGNORE))


class Segmenter:
    """Fits frames into the size of an engine and its labels back to theirs."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._no_rgb = np.zeros((1, *engine.card.image_size, 3), np.uint8)
        self._no_depth = np.zeros((1, *engine.card.image_size), np.float32)
        self._fill = [255 * mean for mean in engine.card.rgb_mean]

    def letterbox(self, size: tuple[int, int]) -> Letterbox:
        """Return where a frame of `size` (height, width) lies in the engine's images."""
        return Letterbox.fit(size, self.engine.card.image_size)

    def segment(self, frame: RgbdFrame) -> Segmentation:
        """Return the labels of `frame`; a missing image is told to the network as missing.

        Raises:
            EngineError: If the engine fails.
        """
        box = self.letterbox(frame.size)
        rgb, depth = self._no_rgb, self._no_depth
        if frame.rgb is not None:
            rgb = box.place_rgb(frame.rgb, self._fill)[None]
        if frame.depth_m is not None:
            depth = box.place_depth(frame.depth_m)[None]
        present = np.array([[frame.rgb is not None, frame.depth_m is not None]], np.float32)
        start = perf_counter()
        labels, confidence = self.engine.run(rgb, depth, present)
        engine_ms = 1e3 * (perf_counter() - start)
        return Segmentation(box.crop(labels[0]), box.crop(confidence[0]), engine_ms)
