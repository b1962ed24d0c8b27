"""Reading a bag: ordered messages of rosbag2 (mcap, sqlite3) and ROS 1 bags."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TYPE_CHECKING

from m3l_core.errors import BagError, missing_module

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from types import TracebackType

    from typing_extensions import Self

_SUFFIXES = ('.mcap', '.db3', '.bag')


@dataclass(frozen=True)
class TopicInfo:
    """What a bag holds of one topic; `type` as in `sensor_msgs/msg/Image`."""

    type: str
    count: int


@dataclass(frozen=True)
class BagMessage:
    """One message; its attributes are those of the ROS message, arrays are NumPy's."""

    topic: str
    receive_ns: int
    message: Any


@dataclass(frozen=True)
class RawMessage:
    """One message as it was recorded: CDR bytes, or ROS 1's own of a ROS 1 bag."""

    topic: str
    type: str
    receive_ns: int
    data: bytes


class Bag:
    """An open bag; use it as a context manager.

    Args:
        path: A rosbag2 folder, an `.mcap` or `.db3` file, or a ROS 1 `.bag`.

    Attributes:
        path: As given.
        topics: Type and number of messages by topic name.

    Raises:
        BagError: If there is no bag, it is damaged, or it holds no messages.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        _expect_bag(self.path)
        try:
            from rosbags.highlevel import AnyReader
            from rosbags.typesys import get_typestore, Stores
        except ModuleNotFoundError as error:
            raise missing_module(error, 'Reading bags') from error
        with self._damage_named():
            # Bags that Humble recorded as sqlite3 carry no message definitions.
            store = get_typestore(Stores.ROS2_HUMBLE)
            self._reader = AnyReader([self.path], default_typestore=store)
            self._reader.open()
        self.topics = {
            name: TopicInfo(info.msgtype or 'more than one type', info.msgcount)
            for name, info in self._reader.topics.items()
        }
        if not self._reader.message_count:
            self.close()
            raise BagError(f'{self.path}: expected messages, got an empty bag. Record it again.')

    @property
    def start_ns(self) -> int:
        """Receive time of the first message."""
        return int(self._reader.start_time)

    @property
    def duration_ns(self) -> int:
        """Time from the first message to the last."""
        return int(self._reader.duration) - 1  # rosbags counts to just after the last one.

    def messages(self, topics: Collection[str] | None = None) -> Iterator[BagMessage]:
        """Yield the messages of `topics` (None: of all) in the order they were received.

        Raises:
            BagError: If a topic is not there, or the bag is damaged.
        """
        for raw in self.raw_messages(topics):
            yield BagMessage(raw.topic, raw.receive_ns, self.deserialize(raw))

    def raw_messages(self, topics: Collection[str] | None = None) -> Iterator[RawMessage]:
        """Yield the messages of `topics` (None: of all) as bytes, in the order of receipt.

        Raises:
            BagError: If a topic is not there, or the bag is damaged.
        """
        if topics is not None:
            self.expect_topics(topics)
        connections = [
            connection
            for connection in self._reader.connections
            if topics is None or connection.topic in topics
        ]
        if not connections:
            return
        with self._damage_named():
            for connection, receive_ns, data in self._reader.messages(connections):
                yield RawMessage(connection.topic, connection.msgtype, receive_ns, data)

    def deserialize(self, raw: RawMessage) -> Any:  # noqa: ANN401
        """Return the message that the bytes hold.

        Raises:
            BagError: If they hold none, or its type is unknown.
        """
        try:
            return self._reader.deserialize(raw.data, raw.type)
        except KeyError as error:
            raise BagError(
                f'{self.path}: {raw.topic} has the unknown type {raw.type}. Leave it out.'
            ) from error
        except Exception as error:
            raise BagError(
                f'{self.path}: {raw.topic} holds damaged bytes at {raw.receive_ns} ns: {error}.'
            ) from error

    def expect_topics(self, topics: Collection[str]) -> None:
        """Check that the bag holds these topics.

        Raises:
            BagError: Naming those it lacks and those it has.
        """
        missing = sorted(set(topics) - set(self.topics))
        if missing:
            raise BagError(
                f'{self.path}: expected the topic {", ".join(missing)}, got '
                f'{", ".join(self.topics)}. Choose one of these.'
            )

    def close(self) -> None:
        """Release the files."""
        self._reader.close()

    @contextmanager
    def _damage_named(self) -> Iterator[None]:
        """Turn whatever rosbags raises on damaged files (a dozen types) into one error."""
        try:
            yield
        except BagError:
            raise
        except Exception as error:
            reason = ' '.join(str(error).split()).rstrip('.') or type(error).__name__
            raise BagError(
                f'{self.path}: expected a readable bag, got damage: {reason}. '
                'Run: ros2 bag reindex, or record it again.'
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _expect_bag(path: Path) -> None:
    """Tell apart, before rosbags looks, what is no bag and what is an unfinished one."""
    expected = f'{path}: expected a bag (a rosbag2 folder, or a file {", ".join(_SUFFIXES)}), got'
    if not path.exists():
        raise BagError(f'{expected} nothing there. Check the path.')
    if path.is_dir() and not (path / 'metadata.yaml').is_file():
        if any(file.suffix in _SUFFIXES for file in path.iterdir()):
            raise BagError(
                f'{path}: expected a finished bag, got one without metadata.yaml. '
                'Give the file in it, or run: ros2 bag reindex.'
            )
        raise BagError(f'{expected} a folder without metadata.yaml. Check the path.')
    if path.is_file() and path.suffix not in _SUFFIXES:
        raise BagError(f'{expected} {path.name}. Check the path.')
