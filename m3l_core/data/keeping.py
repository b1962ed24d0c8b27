"""Samples that stay in memory once read, as long as there is room."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from m3l_core.data.samples import Sample


class Keeper:
    """Reads samples by index and keeps them until they fill `room` bytes.

    Threads may ask at once; the worst that happens is that one sample is read twice.

    Args:
        read: Returns the sample of an index.
        room: Bytes that samples may take; None takes a quarter of the machine's memory.
    """

    def __init__(self, read: Callable[[int], Sample], room: int | None = None) -> None:
        self._read = read
        self._left = _quarter_of_memory() if room is None else room
        self._kept: dict[int, Sample] = {}

    def __call__(self, index: int) -> Sample:
        """Return a sample, read at most once while there is room."""
        sample = self._kept.get(index)
        if sample is not None:
            return sample
        sample = self._read(index)
        size = sample.rgb.nbytes + sample.depth_mm.nbytes + sample.labels.nbytes
        if size <= self._left:
            self._left -= size
            self._kept[index] = sample
        return sample


def _quarter_of_memory() -> int:
    return os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') // 4
