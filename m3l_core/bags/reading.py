"""Reading a bag: ordered messages of rosbag2 (mcap, sqlite3) and ROS 1 bags."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TYPE_CHECKING

from m3l_core.bags.parts import Finished, has_log, open_file, Torn
from m3l_core.bags.storage import expect_bag, PACKED, remedy, storage_files, UNFINISHED
from m3l_core.bags.unpacked import Unpacked
from m3l_core.errors import BagError, M3lError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from typing_extensions import Self

    from m3l_core.bags.parts import Part
    from m3l_core.bags.raw import RawMessage


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


class Bag:
    """An open bag; use it as a context manager.

    Of a bag that its recorder did not finish, as much as can be read.

    Args:
        path: A rosbag2 folder, an `.mcap` or `.db3` file, or a ROS 1 `.bag`.

    Attributes:
        path: As given.
        topics: Type and number of messages by topic name.
        warnings: What could not be read, one line each; known when all messages were read.

    Raises:
        BagError: If there is no bag, it is damaged, or it holds no messages.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.warnings: list[str] = []
        self._unpacked: list[Unpacked] = []
        expect_bag(self.path)
        try:
            self._parts = self._opened()
        except BaseException:
            self._remove_unpacked()
            raise
        counts: dict[str, dict[str, int]] = {}
        for part in self._parts:
            for (topic, kind), number in part.counts.items():
                of_topic = counts.setdefault(topic, {})
                of_topic[kind] = of_topic.get(kind, 0) + number
        self.topics = {
            topic: TopicInfo(
                next(iter(kinds)) if len(kinds) == 1 else 'more than one type', sum(kinds.values())
            )
            for topic, kinds in sorted(counts.items())
        }
        if not any(topic.count for topic in self.topics.values()):
            self.close()
            raise BagError(f'{self.path}: expected messages, got an empty bag. Record it again.')

    def _opened(self) -> list[Part]:
        """Return the bag as one part if it is finished, else what is left of its files."""
        if self.path.is_dir() and not (self.path / 'metadata.yaml').is_file():
            self.warnings.append(
                f'{self.path}: has no metadata.yaml; its recorder was not ended properly. '
                'Reading the files in it. Run: ros2 bag reindex'
            )
            return self._salvaged()
        files = storage_files(self.path)
        if self.path.name.endswith((PACKED, UNFINISHED)) or any(map(has_log, files)):
            return self._salvaged()
        try:
            with self._damage_named():
                return [Finished(self.path)]
        except BagError as error:
            parts = self._salvaged(quietly=True)
            if not any(number for part in parts for number in part.counts.values()):
                for part in parts:
                    part.close()
                raise
            self.warnings.insert(0, f'{error} Read nevertheless:')
            return parts

    def _salvaged(self, *, quietly: bool = False) -> list[Part]:
        """Return the files that can be read, in the order of their messages.

        Raises:
            BagError: If there are none, unless `quietly`.
        """
        parts: list[Part] = []
        problems = []
        for file in storage_files(self.path):
            try:
                with self._damage_named():
                    parts.append(open_file(self._plain(file)))
            except BagError as error:
                problems.append(self._named(str(error), file))
                continue
            if isinstance(parts[-1], Torn):
                number = sum(parts[-1].counts.values())
                self.warnings.append(
                    f'{file}: ends early; {number} messages are whole. {remedy(file)}'
                )
        if not parts and not quietly:
            raise BagError(problems[0])
        self.warnings += problems
        return sorted(parts, key=lambda part: part.start_ns)

    def _plain(self, file: Path) -> Path:
        """Return a file as it is, or where it was unpacked to."""
        if file.suffix != PACKED:
            return file
        self._unpacked.append(Unpacked(file))
        return self._unpacked[-1].path

    def _named(self, text: str, file: Path) -> str:
        """Return a text with the name of a file where that of its unpacked form is."""
        for unpacked in self._unpacked:
            text = text.replace(str(unpacked.path), str(file))
        return text

    @property
    def start_ns(self) -> int:
        """Receive time of the first message."""
        return min(part.start_ns for part in self._parts if part.counts)

    @property
    def duration_ns(self) -> int:
        """Time from the first message to the last."""
        return self._end_ns - self.start_ns

    @property
    def _end_ns(self) -> int:
        return max(part.end_ns for part in self._parts if part.counts)

    def last_ns(self, topics: Collection[str]) -> int:
        """Return the receive time of the last message of `topics`; of the bag, if they are empty.

        Raises:
            BagError: If a topic is not there, or the bag is damaged.
        """
        self.expect_topics(topics)
        with self._damage_named():
            found = [part.last_ns(topics) for part in self._parts]
        return max((at_ns for at_ns in found if at_ns is not None), default=self._end_ns)

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
        for part in self._parts:
            try:
                with self._damage_named():
                    yield from part.messages(topics)
            except BagError as error:
                if part.is_finished:
                    raise
                self.warnings.append(str(error))

    def deserialize(self, raw: RawMessage) -> Any:  # noqa: ANN401
        """Return the message that the bytes hold.

        Raises:
            BagError: If they hold none, or its type is unknown.
        """
        try:
            return self._parts[0].deserialize(raw.data, raw.type)
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
        for part in self._parts:
            part.close()
        self._remove_unpacked()

    def _remove_unpacked(self) -> None:
        while self._unpacked:
            self._unpacked.pop().close()

    @contextmanager
    def _damage_named(self) -> Iterator[None]:
        """Turn whatever rosbags raises on damaged files (a dozen types) into one error."""
        try:
            yield
        except M3lError:
            raise
        except Exception as error:
            reason = ' '.join(str(error).split()).rstrip('.') or type(error).__name__
            raise BagError(
                f'{self.path}: expected a readable bag, got damage: {reason}. '
                f'{remedy(self.path)}, or record it again.'
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
