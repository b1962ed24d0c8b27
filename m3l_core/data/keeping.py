"""Samples that stay in memory once read, as long as there is room."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
import weakref

from m3l_core.data.memory import memory_of_the_process

if TYPE_CHECKING:
    from collections.abc import Callable

    from m3l_core.data.samples import Sample


class Room:
    """Bytes that several keepers share. Threads may ask at once.

    Args:
        size: How many there are.
    """

    def __init__(self, size: int) -> None:
        self._left = size
        self._lock = threading.RLock()  # a keeper may be collected while its thread holds it

    def take(self, size: int) -> bool:
        """Take bytes if so many are left, and return whether they were."""
        with self._lock:
            if size > self._left:
                return False
            self._left -= size
            return True

    def give_back(self, size: int) -> None:
        """Give back bytes that were taken."""
        with self._lock:
            self._left += size


OF_THE_PROCESS = Room(memory_of_the_process() // 2)
"""What all data sets of a process keep together: half of its part of the machine's memory."""


class Keeper:
    """Reads samples by index and keeps those for which there was room when they were read.

    What is kept stays until the keeper goes; nothing makes room for later samples, which are read
    again each time. Threads may ask at once; two that ask for the same sample may both read it,
    and one of them is kept and counted.

    Args:
        read: Returns the sample of an index.
        room: Where samples are kept.
    """

    def __init__(self, read: Callable[[int], Sample], room: Room = OF_THE_PROCESS) -> None:
        self._read = read
        self._room = room
        self._kept: dict[int, Sample] = {}
        self._lock = threading.Lock()
        weakref.finalize(self, _give_back, room, self._kept).atexit = False

    def __call__(self, index: int) -> Sample:
        """Return a sample."""
        sample = self._kept.get(index)
        if sample is not None:
            return sample
        sample = self._read(index)
        with self._lock:
            if index not in self._kept and self._room.take(_size(sample)):
                self._kept[index] = sample
        return sample


def _size(sample: Sample) -> int:
    return sample.rgb.nbytes + sample.depth_mm.nbytes + sample.labels.nbytes


def _give_back(room: Room, kept: dict[int, Sample]) -> None:
    room.give_back(sum(map(_size, kept.values())))
