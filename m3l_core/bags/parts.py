"""The parts of a bag: all of a finished one, or what is left of each file of one that is not."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any, Protocol, TYPE_CHECKING

from m3l_core.bags.raw import RawMessage
from m3l_core.bags.torn_mcap import MCAP_MAGIC, mcap_messages
from m3l_core.bags.torn_ros1 import ROS1_MAGIC, ros1_messages
from m3l_core.bags.torn_sqlite import SQLITE_MAGIC, sqlite_messages, write_ahead_log
from m3l_core.bags.zstd import plain_message
from m3l_core.errors import BagError, M3lError, missing_module

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from rosbags.typesys.store import Typestore

    Messages = Callable[[Path, Collection[str] | None], Iterator[RawMessage]]


_FIRST_LOOK_NS = 1_000_000_000


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
        # Bags that Humble recorded as sqlite3 carry no message definitions.
        store = typestore('Reading bags')
        from rosbags.highlevel import AnyReader

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
            cdr = plain_message(data) if self._reader.is2 else data
            yield RawMessage(connection.topic, connection.msgtype, receive_ns, cdr)

    def deserialize(self, data: bytes, type_name: str) -> Any:  # noqa: ANN401
        """Return the message in the bytes."""
        return self._reader.deserialize(data, type_name)

    def close(self) -> None:
        """Release the files."""
        self._reader.close()


class Torn:
    """What is left of a file that was not finished, or was cut.

    Args:
        path: The file.

    Raises:
        M3lError: If it is nothing that bags are made of.
    """

    is_finished = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self._messages, self._is_ros1 = _reading(path)
        self._store = typestore('Reading bags', ros1=self._is_ros1)
        counts: Counter[tuple[str, str]] = Counter()
        self._ends: dict[str, int] = {}
        self.start_ns = self.end_ns = 0
        for message in self._messages(path, None):
            at_ns, topic = message.receive_ns, message.topic
            counts[topic, message.type] += 1
            self._ends[topic] = max(at_ns, self._ends.get(topic, 0))
            self.start_ns = min(at_ns, self.start_ns or at_ns)
            self.end_ns = max(at_ns, self.end_ns)
        self.counts = dict(counts)

    def last_ns(self, topics: Collection[str]) -> int | None:
        """Return the receive time of the last message of `topics`, or None if they have none."""
        return max((self._ends[topic] for topic in topics if topic in self._ends), default=None)

    def messages(self, topics: Collection[str] | None) -> Iterator[RawMessage]:
        """Yield messages about in the order of receipt."""
        messages = self._messages(self._path, topics)
        if self._is_ros1:
            return messages
        return (replace(raw, data=plain_message(raw.data)) for raw in messages)

    def deserialize(self, data: bytes, type_name: str) -> Any:  # noqa: ANN401
        """Return the message in the bytes."""
        if self._is_ros1:
            return self._store.deserialize_ros1(data, type_name)
        return self._store.deserialize_cdr(data, type_name)

    def close(self) -> None:
        """Nothing is open."""


def _reading(path: Path) -> tuple[Messages, bool]:
    """Return how the messages of a file are read, and whether they are ROS 1's."""
    with path.open('rb') as file:
        begin = file.read(32)
    if begin.startswith(MCAP_MAGIC):
        return mcap_messages, False
    if begin.startswith(ROS1_MAGIC):
        return ros1_messages, True
    if begin.startswith(SQLITE_MAGIC) or (not begin and write_ahead_log(path).is_file()):
        return sqlite_messages, False
    raise BagError(f'{path}: expected an mcap, sqlite3 or ROS 1 file, got something else.')


def open_file(file: Path) -> Part:
    """Open one file of a bag that lacks its metadata, or its end."""
    if not has_log(file):  # which rosbags passes over
        try:
            return Finished(file, is_finished=False)
        except M3lError:
            raise
        except Exception:  # whatever rosbags raises on a file without its end
            return Torn(file)
    return Torn(file)


def has_log(file: Path) -> bool:
    """Tell whether a recorder was killed before it took all messages into its sqlite3 file."""
    log = write_ahead_log(file)
    return log.is_file() and log.stat().st_size > 0


def typestore(what: str, *, ros1: bool = False) -> Typestore:
    """Return the message types of Humble, or those of ROS 1.

    Raises:
        M3lError: Naming what needs the package that is missing.
    """
    try:
        from rosbags.typesys import get_typestore, Stores
    except ModuleNotFoundError as error:
        raise missing_module(error, what) from error
    return get_typestore(Stores.ROS1_NOETIC if ros1 else Stores.ROS2_HUMBLE)
