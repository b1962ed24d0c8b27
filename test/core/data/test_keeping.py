"""Samples in memory: what is read once, and how much all data sets keep together."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
import threading

import numpy as np

from m3l_core.data.keeping import Keeper, Room
from m3l_core.data.samples import Sample

SIZE = 24
"""Bytes of a sample: 12 of color, 8 of depth, 4 of labels."""


class Reads:
    """Makes samples and notes for which index."""

    def __init__(self) -> None:
        self.indices: list[int] = []

    def __call__(self, index: int) -> Sample:
        self.indices.append(index)
        return sample(index)


def sample(index: int) -> Sample:
    return Sample(
        str(index),
        np.zeros((2, 2, 3), np.uint8),
        np.zeros((2, 2), np.uint16),
        np.zeros((2, 2), np.uint8),
    )


def test_samples_are_kept_while_there_is_room() -> None:
    read = Reads()
    keep = Keeper(read, Room(2 * SIZE))
    for index in (0, 1, 2, 0, 1, 2):
        assert keep(index).name == str(index)
    assert read.indices == [0, 1, 2, 2]


def test_data_sets_share_the_room() -> None:
    one, other = Reads(), Reads()
    room = Room(2 * SIZE)
    keep_one, keep_other = Keeper(one, room), Keeper(other, room)
    for keep in (keep_one, keep_other, keep_one, keep_other):
        keep(0)
        keep(1)
    assert one.indices == [0, 1]
    assert other.indices == [0, 1, 0, 1]


def test_a_data_set_that_goes_leaves_its_room_to_others() -> None:
    room = Room(SIZE)
    gone = Keeper(Reads(), room)
    gone(0)
    del gone
    read = Reads()
    keep = Keeper(read, room)
    keep(0)
    keep(0)
    assert read.indices == [0]


def test_a_sample_that_two_threads_read_at_once_takes_room_once() -> None:
    both = threading.Barrier(2, timeout=300)

    def read(index: int) -> Sample:
        both.wait()
        return sample(index)

    room = Room(2 * SIZE)
    keep = Keeper(read, room)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(keep, (0, 0)))
    assert room.take(SIZE)
    assert not room.take(1)
