"""The images of a bag in the order in which they were received."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TYPE_CHECKING

from m3l_core.errors import BagError
from m3l_core.frames import Modality

if TYPE_CHECKING:
    from collections.abc import Iterator

    from m3l_core.bags.reading import Bag
    from m3l_core.bags.topics import RgbdTopics
    from m3l_core.replay.pixels import Spoil


@dataclass(frozen=True, eq=False)
class Arrival:
    """One image message on its way to the stream.

    Attributes:
        modality: The stream it belongs to.
        receive_ns: When it arrives, in the bag's time.
        stamp_ns: Its header stamp, as the stream gets it.
        taken_ns: Its header stamp as recorded: by it the truth is found, whatever a fault does.
        message: The image, still encoded.
        spoils: What happens to its pixels once they are decoded.
        is_fallback: Whether it is depth that is not registered to color.
    """

    modality: Modality
    receive_ns: int
    stamp_ns: int
    taken_ns: int
    message: Any
    spoils: tuple[Spoil, ...] = ()
    is_fallback: bool = False


class Recording:
    """Reads the RGB and depth images of an open bag.

    Args:
        bag: Where they are.
        topics: Their topics.
        fallback: Topic of depth that is not registered to color, or None.

    A message that is damaged is left out: a node would never get it.

    Attributes:
        topics: Where images are.
    """

    def __init__(self, bag: Bag, topics: RgbdTopics, fallback: str | None = None) -> None:
        self._bag = bag
        self._fallback = fallback
        self._modalities = {
            fallback: Modality.DEPTH,
            topics.rgb: Modality.RGB,
            topics.depth: Modality.DEPTH,
        }
        self.topics = [topic for topic in self._modalities if topic is not None]
        self._damaged = 0
        self._first_damage = ''

    def __iter__(self) -> Iterator[Arrival]:
        for raw in self._bag.raw_messages(self.topics):
            try:
                message = self._bag.deserialize(raw)
            except BagError as error:
                self._damaged += 1
                self._first_damage = self._first_damage or str(error)
                continue
            stamp_ns = stamp_of(message)
            yield Arrival(
                self._modalities[raw.topic],
                raw.receive_ns,
                stamp_ns,
                stamp_ns,
                message,
                is_fallback=raw.topic == self._fallback,
            )

    @property
    def remarks(self) -> list[str]:
        """What was wrong with messages so far, in a line; empty if nothing."""
        if not self._damaged:
            return []
        return [
            f'{self._damaged} messages are damaged and left out; the first: {self._first_damage}'
        ]


def stamp_of(message: Any) -> int:  # noqa: ANN401
    """Return the header stamp of a message in nanoseconds."""
    stamp = message.header.stamp
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)
