"""The parts of a bag: all of a finished one, or what is left of each file of one that is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TYPE_CHECKING

from m3l_core.bags.torn_mcap import TornMcap
from m3l_core.errors import M3lError, missing_module

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path


_FIRST_LOOK_NS = 1_000_000_000


@dataclass(frozen=True)
class RawMessage:
    """One message as it was recorded: CDR bytes, or ROS 1's own of a ROS 1 bag."""

    topic: str
    type: str
    receive_ns: int
    data: bytes


class Part(Protocol):
    """One file of a bag, or all of a finished bag; times are those of receipt."""

    counts: dict[tuple[str, str], int]
    """Number of messages by topic and type."""
    start_ns: int
    end_ns: int
    is_finished: bool
    """Whether damage in it is unexpected."""

    def last_ns(self, topics: Collection[str]) -> int | None:
        """Return the receive time of the last message of `topics`, or None if they have none."""

    def messages(self, topics: Collection[str] | None) -> Iterator[RawMessage]:
        """Yield messages in the order of receipt."""

    def deserialize(self, data: bytes, type_name: str) -> Any:  # noqa: ANN401
        """Return the message in the bytes; raises KeyError for an unknown type."""

    def close(self) -> None:
        """Release the files."""


class Finished:
    """A bag, or one file of it, that rosbags reads."""

    def __init__(self, path: Path, *, is_finished: bool = True) -> None:
        try:
            from rosbags.highlevel import AnyReader
            from rosbags.typesys import get_typestore, Stores
        except ModuleNotFoundError as error:
            raise missing_module(error, 'Reading bags') from error
        # Bags that Humble recorded as sqlite3 carry no message definitions.
        store = get_typestore(Stores.ROS2_HUMBLE)
        self._reader = AnyReader([path], default_typestore=store)
        self._reader.open()
        self.is_finished = is_finished
        self.counts: dict[tuple[str, str], int] = {}
        for connection in self._reader.connections:
            key = (connection.topic, connection.msgtype)
            self.counts[key] = self.counts.get(key, 0) + connection.msgcount
        self.start_ns = int(self._reader.start_time)
        self.end_ns = int(self._reader.end_time) - 1  # rosbags counts to just after the last one.

    def last_ns(self, topics: Collection[str]) -> int | None:
        """Return the receive time of the last message of `topics`, or None if they have none."""
        connections = self._connections(topics)
        if not any(connection.msgcount for connection in connections):
            return None
        # Longer and longer looks at the end of the bag: images are mostly in its last second.
        look_ns, last_ns = _FIRST_LOOK_NS, None
        while last_ns is None and look_ns < 4 * (self.end_ns - self.start_ns + _FIRST_LOOK_NS):
            found = self._reader.messages(connections, start=self.end_ns - look_ns)
            last_ns = max((receive_ns for _, receive_ns, _ in found), default=None)
            look_ns *= 4
        return last_ns

    def _connections(self, topics: Collection[str] | None) -> list[Any]:
        return [
            connection
            for connection in self._reader.connections
            if topics is None or connection.topic in topics
        ]

    def messages(self, topics: Collection[str] | None) -> Iterator[RawMessage]:
        """Yield messages in the order of receipt."""
        connections = self._connections(topics)
        if not connections:  # which rosbags takes for all of them
            return
        for connection, receive_ns, data in self._reader.messages(connections):
            yield RawMessage(connection.topic, connection.msgtype, receive_ns, data)

    def deserialize(self, data: bytes, type_name: str) -> Any:  # noqa: ANN401
        """Return the message in the bytes."""
        return self._reader.deserialize(data, type_name)

    def close(self) -> None:
        """Release the files."""
        self._reader.close()


class Torn:
    """What is left of an mcap file that was not finished."""

    is_finished = False

    def __init__(self, path: Path) -> None:
        from rosbags.typesys import get_typestore, Stores

        self._file = TornMcap(path)
        self._store = get_typestore(Stores.ROS2_HUMBLE)
        self.counts = dict(self._file.counts)
        self.start_ns = self._file.start_ns or 0
        self.end_ns = self._file.end_ns or 0

    def last_ns(self, topics: Collection[str]) -> int | None:
        """Return the receive time of the last message of `topics`, or None if they have none."""
        return max((self._file.ends[t] for t in topics if t in self._file.ends), default=None)

    def messages(self, topics: Collection[str] | None) -> Iterator[RawMessage]:
        """Yield messages about in the order of receipt."""
        for message in self._file.messages(topics):
            yield RawMessage(message.topic, message.type, message.receive_ns, message.data)

    def deserialize(self, data: bytes, type_name: str) -> Any:  # noqa: ANN401
        """Return the message in the bytes."""
        return self._store.deserialize_cdr(data, type_name)

    def close(self) -> None:
        """Nothing is open."""


def open_file(file: Path) -> Part:
    """Open one file of a bag that lacks its metadata."""
    try:
        return Finished(file, is_finished=False)
    except M3lError:
        raise
    except Exception:  # whatever rosbags raises on a file without its end
        if file.suffix != '.mcap':
            raise
        return Torn(file)
