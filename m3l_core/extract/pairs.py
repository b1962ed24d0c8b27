"""The pairs of a bag, as the stream of a running node would have paired them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from m3l_core.errors import BagError
from m3l_core.frames import Modality
from m3l_core.stream import Stream, StreamConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from m3l_core.bags.reading import Bag
    from m3l_core.stream import Taken

_AFTERWARDS_NS = 2_000_000_000
"""Longer than an image may wait for its partner when the bag has ended."""


class Pairs:
    """Plays the images of a bag into a stream, on the clock of their receipt.

    Args:
        bag: Where they are.
        rgb: Topic of the color images.
        depth: Topic of the depth images.
        depth_stamp_offset: Seconds added to every depth stamp.

    Attributes:
        rgb_images: Color images in the bag.
        damaged: Those of them that are no messages; they are left out, as is such depth.
    """

    def __init__(self, bag: Bag, rgb: str, depth: str, depth_stamp_offset: float) -> None:
        self._bag = bag
        self._modality = {rgb: Modality.RGB, depth: Modality.DEPTH}
        self._stream = Stream(StreamConfig(depth_stamp_offset=depth_stamp_offset))
        self._now_ns = 0
        self.rgb_images = 0
        self.damaged = 0
        self._all_damaged = 0
        self._first_damage = ''

    def __iter__(self) -> Iterator[Taken]:
        """Yield every pair, its images being messages, as soon as a node could label it."""
        for raw in self._bag.raw_messages(list(self._modality)):
            yield from self._until(raw.receive_ns)
            modality = self._modality[raw.topic]
            self.rgb_images += modality is Modality.RGB
            try:
                message = self._bag.deserialize(raw)
            except BagError as error:  # a node would never get it
                self._note_damage(modality, str(error))
                continue
            stamp = message.header.stamp
            self._now_ns = raw.receive_ns
            self._stream.add(
                modality,
                message,
                stamp_ns=stamp.sec * 1_000_000_000 + stamp.nanosec,
                now_ns=raw.receive_ns,
            )
            yield from self._ready()
        yield from self._until(self._now_ns + _AFTERWARDS_NS)

    @property
    def warnings(self) -> list[str]:
        """Return how many messages are damaged; nothing if none is."""
        if not self._all_damaged:
            return []
        return [
            f'{self._all_damaged} messages are damaged and left out; the first: '
            f'{self._first_damage}'
        ]

    def _note_damage(self, modality: Modality, problem: str) -> None:
        self.damaged += modality is Modality.RGB
        self._all_damaged += 1
        self._first_damage = self._first_damage or problem

    def _until(self, end_ns: int) -> Iterator[Taken]:
        """Let time pass: an image whose wait is over gives way to the next pair."""
        while True:
            wake_ns = self._stream.wake_at(self._now_ns)
            if wake_ns is None or wake_ns >= end_ns:
                return
            self._now_ns = wake_ns
            yield from self._ready()

    def _ready(self) -> Iterator[Taken]:
        """Take everything: an engine that is always free loses nothing."""
        while (taken := self._stream.take(self._now_ns)) is not None:
            if taken.rgb is not None and taken.depth is not None:
                yield taken
