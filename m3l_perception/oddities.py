"""What is odd about the cameras in every frame alike, so that the log is told once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from m3l_core.runtime import Segmenter
    from m3l_perception.inference import Labeled

_MOST_TOLD = 32
"""Sizes and doubts; what keeps changing is not told for ever."""


class Oddities:
    """Logs, once each, what the cameras are and need not be for this network.

    Args:
        info: Logs what could be better.
        warn: Logs what may make labels wrong.
    """

    def __init__(self, info: Callable[[str], object], warn: Callable[[str], object]) -> None:
        self._info = info
        self._warn = warn
        self._known_sizes: set[tuple[int, int]] = set()
        self._doubts: set[str] = set()

    def tell(self, labeled: Labeled, segmenter: Segmenter, *, depth_topic: str) -> None:
        """Log what has not been told of a labeled frame before."""
        self._tell_padding(labeled.segmentation.labels.shape, segmenter)
        for doubt in labeled.seen.doubts:
            if doubt not in self._doubts and len(self._doubts) < _MOST_TOLD:
                self._doubts.add(doubt)
                self._warn(f'{depth_topic}: {doubt}')

    def _tell_padding(self, shape: tuple[int, ...], segmenter: Segmenter) -> None:
        """Tell for each camera size what of the network's work is for padding."""
        height, width = size = (shape[0], shape[1])
        if size in self._known_sizes or len(self._known_sizes) >= _MOST_TOLD:
            return
        self._known_sizes.add(size)
        share = segmenter.letterbox(size).padded_share
        if share > 0:
            self._info(
                f'{width}x{height} images leave {share:.0%} of the network to padding; '
                'm3l export --size HEIGHTxWIDTH makes one of their shape.'
            )
