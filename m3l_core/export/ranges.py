"""How large the values inside a graph become on real frames: what FP16 must be able to hold."""

from __future__ import annotations

from contextlib import contextmanager
import math
from typing import TYPE_CHECKING

import numpy as np
import onnx
import torch

from m3l_core.export.graph_run import GraphRun
from m3l_core.model_card import ActivationRanges
from m3l_core.runtime.mixed_graph import MOST_IN_HALF, values_in_question
from m3l_core.runtime.parity import MODES, without_missing
from m3l_core.runtime.segmenter import Segmenter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from m3l_core.export.frames import LabeledFrame
    from m3l_core.model_card import ModelCard

RANGE_FRAMES = 64
"""Frames that the ranges are to be measured on; with fewer, the card says so."""

_NEAR = 0.1 * MOST_IN_HALF
"""Size from which a value is named in the card."""

_LARGEST = float(np.finfo(np.float32).max)


def measured_ranges(
    graph: onnx.ModelProto,
    card: ModelCard,
    frames: Sequence[LabeledFrame],
    source: str,
    say: Callable[[str], None],
) -> ActivationRanges:
    """Return the largest absolute values that float32 computes, over all frames and modes.

    Args:
        graph: The exported graph.
        card: Its card.
        frames: Real ones.
        source: Where they are from.
        say: Told what is going on.
    """
    meter = _Meter(graph, card)
    segmenter = Segmenter(meter)
    with _one_thread():
        for number, labeled in enumerate(frames, 1):
            say(f'ranges of the graph: frame {number} of {len(frames)}')
            for mode in MODES:
                segmenter.segment(without_missing(labeled.frame, mode))
    largest = meter.largest
    few = (
        '' if len(frames) >= RANGE_FRAMES else f', fewer than the {RANGE_FRAMES} that tell enough'
    )
    return ActivationRanges(
        frames=f'{len(frames)} frames of {source}, {len(MODES)} modes{few}',
        groups=_by_group(largest),
        large={name: _rounded(v) for name, v in sorted(largest.items()) if v >= _NEAR},
    )


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let PyTorch compute in one thread.

    In more, each of hundreds of small operators waits for the slowest: minutes on a busy CPU.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Meter:
    """An engine that looks at how large its values become, and says nothing of the image."""

    backend, precision, streams = 'torch', 'float32', 1

    def __init__(self, graph: onnx.ModelProto, card: ModelCard) -> None:
        self.card = card
        self.largest = dict.fromkeys(values_in_question(graph.graph), 0.0)
        cut = onnx.ModelProto()
        cut.CopyFrom(graph)
        last = max(
            i for i, n in enumerate(graph.graph.node) if self.largest.keys() & set(n.output)
        )
        del cut.graph.node[last + 1 :]
        del cut.graph.output[:]
        self._run = GraphRun(cut, self._note)

    def run(
        self,
        rgb: NDArray[np.uint8],
        depth: NDArray[np.float32],
        present: NDArray[np.float32],
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return zeros; see `Engine.run`."""
        self._run({'rgb': rgb, 'depth': depth, 'present': present})
        nothing = np.zeros(rgb.shape[:3], np.uint8)
        return nothing, nothing

    def close(self) -> None:
        """Do nothing; see `Engine.close`."""

    def _note(self, name: str, value: Tensor) -> None:
        if name in self.largest:
            # In the order of memory: across it this would take longer than the network.
            axes = sorted(range(value.ndim), key=value.stride, reverse=True)
            low, high = value.permute(axes).aminmax()
            self.largest[name] = _larger(self.largest[name], -low.item(), high.item())


def _larger(*sizes: float) -> float:
    """Return the largest; what is no number counts as more than any."""
    return _LARGEST if any(map(math.isnan, sizes)) else min(max(sizes), _LARGEST)


def _by_group(largest: dict[str, float]) -> dict[str, float]:
    groups: dict[str, float] = {}
    for name, value in largest.items():
        group = _group(name)
        groups[group] = max(groups.get(group, 0.0), _rounded(value))
    return dict(sorted(groups.items()))


def _group(name: str) -> str:
    """Return the part of the network a value is from: of the encoder, which stage."""
    path = name.strip('/').split('/')
    return '.'.join(path[: 2 if len(path) > 2 and path[0] == 'encoder' else 1])


def _rounded(value: float) -> float:
    return float(f'{value:.4g}')
