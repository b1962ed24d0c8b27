"""What the labels should be: a label topic of the bag, or a folder of PNGs named by stamp."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from pathlib import Path
import re
from typing import Protocol, TYPE_CHECKING

import numpy as np

from m3l_core.bags.reading import Bag
from m3l_core.classes import IGNORE, NYU13, NYU40, nyu40_table
from m3l_core.config import load_yaml
from m3l_core.errors import BagError, ConfigError, DataError, FrameError
from m3l_core.replay.arrivals import stamp_of
from m3l_core.stream.compressed_image import decode_gray_png
from m3l_core.stream.raw_image import samples

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from numpy.typing import NDArray

    from m3l_core.classes import ClassSet

SAME_MOMENT_NS = 1_000_000
"""Stamps that differ by less are of one image: names of files are often rounded."""

_REMEMBERED_NS = 3_000_000_000
"""How far a mask may lag behind the label images that were read already."""


class Truth(Protocol):
    """Label images by stamp."""

    def at(self, stamp_ns: int, within_ns: int) -> NDArray[np.uint8] | None:
        """Return `(H, W)` class indices of the moment nearest to a stamp, or None if none is near.

        255 marks pixels without a class. Stamps asked for may go back by a second or two.

        Raises:
            DataError: If the label image is damaged, or holds an unknown id.
        """

    def close(self) -> None:
        """Release the files."""


KNOWN_IDS = ('classes', 'nyu40')
"""What ids may mean without a file that says so."""


def id_table(ids: str, classes: ClassSet) -> NDArray[np.uint8]:
    """Return the class index of each of the 256 ids that a label image may hold.

    254 marks ids that mean nothing, 255 those that mean no class.

    Args:
        ids: `classes`: ids are class indices, 255 is void. `nyu40`: ids are those of NYUv2, 0 is
            void. Else a YAML file that maps ids to names of classes, null being void; it may be a
            data set's `card.yaml`.
        classes: Those of the network.

    Raises:
        ConfigError: If the file is no such map, or the network lacks classes it names.
    """
    table = np.full(256, _UNKNOWN, np.uint8)
    table[IGNORE] = IGNORE
    if ids == 'classes':
        table[: len(classes)] = np.arange(len(classes))
    elif ids == 'nyu40':
        if classes.names not in (NYU13.names, NYU40.names):
            raise ConfigError(
                '--truth-ids nyu40: expected a network of 13 or 40 classes of NYUv2, got one of '
                f'{len(classes)} classes. Give a YAML file that maps ids to its classes.'
            )
        table[:41] = nyu40_table(NYU13 if classes.names == NYU13.names else NYU40)[:41]
    else:
        for key, name in _mapped(Path(ids), classes).items():
            table[key] = IGNORE if name is None else classes.names.index(name)
    return table


_UNKNOWN = 254


def _mapped(path: Path, classes: ClassSet) -> dict[int, str | None]:
    content = load_yaml(path)
    mapping = content.get('map', content)
    if not isinstance(mapping, dict):
        raise ConfigError(f'{path}: expected a mapping of ids to names of classes.')
    problems = [
        f'{key!r}: expected an id from 0 to 255'
        for key in mapping
        if not isinstance(key, int) or not 0 <= key <= 255
    ]
    unknown = [name for name in mapping.values() if name is not None and name not in classes.names]
    if unknown:
        named = ', '.join(dict.fromkeys(map(str, unknown)))
        problems.append(f'{named}: expected classes of the network, {", ".join(classes.names)}')
    if problems:
        raise ConfigError(f'{path}: {"; ".join(problems)}.')
    return mapping


class NoTruth:
    """Nobody knows what the labels should be."""

    def at(self, stamp_ns: int, within_ns: int) -> None:
        """Return None."""

    def close(self) -> None:
        """Nothing is open."""


class TopicTruth:
    """A label topic, read beside the images; keeps a few seconds of it.

    Args:
        path: The bag; it is opened once more.
        topic: Topic of mono8 images, or of compressed 8-bit PNGs.
        table: From `id_table`.
    """

    def __init__(self, path: Path, topic: str, table: NDArray[np.uint8]) -> None:
        self._where = f'{path}: {topic}'
        self._table = table
        self._bag = Bag(path)
        self._messages = self._stamped(topic)
        self._near: deque[tuple[int, Any]] = deque()
        self._is_done = False

    def _stamped(self, topic: str) -> Iterator[tuple[int, Any]]:
        for message in self._bag.messages([topic]):
            yield stamp_of(message.message), message.message

    def at(self, stamp_ns: int, within_ns: int) -> NDArray[np.uint8] | None:
        """Return the label image nearest to a stamp; see `Truth.at`."""
        while not self._is_done and (not self._near or self._near[-1][0] <= stamp_ns + within_ns):
            following = next(self._messages, None)
            self._is_done = following is None
            if following is not None:
                self._near.append(following)
        while self._near and self._near[0][0] < stamp_ns - _REMEMBERED_NS:
            self._near.popleft()
        nearest = min(self._near, key=lambda near: abs(near[0] - stamp_ns), default=None)
        if nearest is None or abs(nearest[0] - stamp_ns) > within_ns:
            return None
        try:
            return _labels(self._where, _ids(self._where, nearest[1]), self._table)
        except FrameError as error:
            raise DataError(f'{self._where}: {error}') from error

    def close(self) -> None:
        """Close the bag."""
        self._bag.close()


class FolderTruth:
    """A folder of 8-bit PNGs named by stamp: nanoseconds, or seconds with a point or underscore.

    Raises:
        DataError: If the folder holds none.
    """

    def __init__(self, folder: Path, table: NDArray[np.uint8]) -> None:
        self._table = table
        files = {
            stamp_ns: file
            for file in sorted(folder.glob('*.png'))
            if (stamp_ns := _stamp_of_name(file.stem)) is not None
        }
        if not files:
            raise DataError(
                f'{folder}: expected label images named by stamp, such as '
                '1600000000033333333.png or 1600000000.033333.png, got none.'
            )
        self._stamps = sorted(files)
        self._files = files

    def at(self, stamp_ns: int, within_ns: int) -> NDArray[np.uint8] | None:
        """Return the label image nearest to a stamp; see `Truth.at`."""
        place = bisect_left(self._stamps, stamp_ns)
        around = self._stamps[max(place - 1, 0) : place + 1]
        nearest = min(around, key=lambda stamp: abs(stamp - stamp_ns))
        if abs(nearest - stamp_ns) > within_ns:
            return None
        file = self._files[nearest]
        try:
            ids = decode_gray_png('labels', memoryview(file.read_bytes()), np.uint8)
        except (OSError, FrameError) as error:
            raise DataError(f'{file}: cannot be read: {error}') from error
        return _labels(str(file), ids, self._table)

    def close(self) -> None:
        """Nothing is open."""


_SECONDS = re.compile(r'(\d{1,11})[._](\d{1,9})$')


def _stamp_of_name(stem: str) -> int | None:
    """Return the nanoseconds in a file's name, or None."""
    if match := _SECONDS.match(stem):
        # After a point the digits are decimals; after an underscore they are nanoseconds.
        fraction = match[2].ljust(9, '0') if '.' in stem else match[2]
        return int(match[1]) * 1_000_000_000 + int(fraction)
    return int(stem) if stem.isdecimal() else None


def _ids(where: str, message: Any) -> NDArray[np.uint8]:  # noqa: ANN401
    if hasattr(message, 'format'):
        return decode_gray_png(where, memoryview(message.data), np.uint8)
    if message.encoding not in ('mono8', '8UC1'):
        raise FrameError(f'expected mono8 class ids, got {message.encoding}.')
    ids: NDArray[np.uint8] = samples(where, message, np.dtype(np.uint8))
    return ids


def _labels(where: str, ids: NDArray[np.uint8], table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    labels: NDArray[np.uint8] = table[ids]
    unknown = labels == _UNKNOWN
    if unknown.any():
        values = ', '.join(map(str, np.unique(ids[unknown])[:8]))
        raise DataError(
            f'{where}: expected ids that --truth-ids explains, got {values}. '
            'Say what they mean: --truth-ids nyu40, or a YAML file of ids and classes.'
        )
    return labels


def open_truth(
    given: str, bag: Bag, guessed_topic: str | None, table: NDArray[np.uint8]
) -> tuple[Truth, str]:
    """Return the label images of a bag, and in words which they are.

    Args:
        given: A topic, a folder, `auto` for the topic that was guessed, or `none`.
        bag: The open bag.
        guessed_topic: The topic whose name says labels, if there is one.
        table: From `id_table`.

    Raises:
        BagError: If the topic is not in the bag.
        DataError: If the folder holds no label images.
    """
    if given == 'none' or (given == 'auto' and guessed_topic is None):
        return NoTruth(), 'none'
    if given != 'auto' and Path(given).is_dir():
        return FolderTruth(Path(given), table), given
    topic = guessed_topic if given == 'auto' else given
    assert topic is not None  # noqa: S101 - the first lines have seen to it
    if topic not in bag.topics and not topic.startswith('/'):
        raise BagError(
            f'--truth: expected a folder of label images or a topic of {bag.path}, got {topic}.'
        )
    bag.expect_topics([topic])
    return TopicTruth(bag.path, topic, table), topic
