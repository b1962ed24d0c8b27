"""Reading a sqlite3 bag that was cut, or whose recorder never finished it.

SQLite refuses a database that misses pages, and finds nothing below a missing inner page. So the
rows are taken from the leaf pages themselves, which hold them in the order of recording, with
what a recorder had written ahead (`NAME.db3-wal`) in place of older pages.
https://www.sqlite.org/fileformat2.html describes both files.
"""

from __future__ import annotations

from contextlib import ExitStack
import struct
from typing import BinaryIO, TYPE_CHECKING

from m3l_core.bags.raw import RawMessage

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from typing_extensions import Self

SQLITE_MAGIC = b'SQLite format 3\x00'

_LEAF = 0x0D
_FILE_HEADER, _PAGE_HEADER = 100, 8
_LOG_HEADER, _FRAME_HEADER = 32, 24
_INTEGER_BYTES = (0, 1, 2, 3, 4, 6, 8)
"""Length of an integer by its serial type."""

Value = int | bytes | None


def sqlite_messages(path: Path, topics: Collection[str] | None) -> Iterator[RawMessage]:
    """Yield the messages of `topics` (None: of all) in the order in which they were written."""
    with _Pages(path) as pages:
        names = dict(_topics(pages))
        for _, values in _rows(pages):
            match values:  # id (kept as the row's number), topic, time of receipt, message
                case [None, int(topic), int(receive_ns), bytes(data)]:
                    name, kind = names.get(topic, ('', ''))
                    if name and (topics is None or name in topics):
                        yield RawMessage(name, kind, receive_ns, data)


def write_ahead_log(path: Path) -> Path:
    """Return where SQLite keeps what is not in the database yet."""
    return path.with_name(f'{path.name}-wal')


def _topics(pages: _Pages) -> Iterator[tuple[int, tuple[str, str]]]:
    for number, values in _rows(pages):
        match values:  # id, name, type, and what follows in this version of the format
            case [None, bytes(name), bytes(kind), bytes(_), *_] if name.startswith(b'/'):
                yield number, (name.decode('utf-8', 'replace'), kind.decode('utf-8', 'replace'))


class _Pages:
    """The pages of a database file and of its write-ahead log, by number; a context manager."""

    def __init__(self, path: Path) -> None:
        self._open = ExitStack()
        self._file: BinaryIO = self._open.enter_context(path.open('rb'))
        header = self._file.read(_FILE_HEADER).ljust(_FILE_HEADER, b'\0')
        self.size = int.from_bytes(header[16:18], 'big')
        self._ahead: dict[int, int] = {}
        log = write_ahead_log(path)
        if log.is_file():
            self._log: BinaryIO = self._open.enter_context(log.open('rb'))
            self._read_log()
        self.size = 65536 if self.size == 1 else max(self.size, 512)
        self.usable = self.size - header[20]
        whole = path.stat().st_size // self.size
        self.count = max([whole, *self._ahead])

    def _read_log(self) -> None:
        """Note the newest of each page, up to the last one that was committed."""
        header = self._log.read(_LOG_HEADER)
        if len(header) < _LOG_HEADER:
            return
        size, place = int.from_bytes(header[8:12], 'big'), _LOG_HEADER
        self.size = self.size or size  # of a database whose first page is still in the log
        waiting: dict[int, int] = {}
        while len(frame := self._log.read(_FRAME_HEADER)) == _FRAME_HEADER:
            number, committed = struct.unpack_from('>II', frame)
            if frame[8:16] != header[16:24] or len(self._log.read(size)) < size:
                return  # left over from before the log was begun anew, or cut
            waiting[number] = place + _FRAME_HEADER
            if committed:
                self._ahead |= waiting
                waiting = {}
            place += _FRAME_HEADER + size

    def read(self, number: int) -> bytes:
        """Return a page, or as much of it as there is."""
        if number in self._ahead:
            self._log.seek(self._ahead[number])
            return self._log.read(self.size)
        self._file.seek((number - 1) * self.size)
        return self._file.read(self.size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()


def _rows(pages: _Pages) -> Iterator[tuple[int, list[Value]]]:
    """Yield number and values of the rows of all tables, as far as they are whole."""
    for number in range(1, pages.count + 1):
        page = pages.read(number)
        start = _FILE_HEADER if number == 1 else 0
        if len(page) < pages.size or page[start] != _LEAF:
            continue
        count = int.from_bytes(page[start + 3 : start + 5], 'big')
        for index in range(count):
            place = start + _PAGE_HEADER + 2 * index
            try:
                yield _row(pages, page, int.from_bytes(page[place : place + 2], 'big'))
            except (IndexError, ValueError):  # damaged, or its end is missing
                continue


def _row(pages: _Pages, page: bytes, place: int) -> tuple[int, list[Value]]:
    """Return number and values of the row that begins at a place of a leaf page.

    Raises:
        IndexError: If it reaches beyond its page.
        ValueError: If what does not fit there is missing.
    """
    size, place = _varint(page, place)
    number, place = _varint(page, place)
    usable = pages.usable
    local = size
    if size > usable - 35:
        least = (usable - 12) * 32 // 255 - 23
        local = least + (size - least) % (usable - 4)
        if local > usable - 35:
            local = least
    content = page[place : place + local]
    if local < size:
        content += _overflow(pages, page[place + local : place + local + 4], size - local)
    return number, _values(content)


def _overflow(pages: _Pages, pointer: bytes, size: int) -> bytes:
    """Return what of a row did not fit into its leaf page."""
    if size > pages.count * pages.size:
        raise ValueError('longer than the file')
    found = bytearray()
    while len(found) < size:
        number = int.from_bytes(pointer, 'big')
        page = pages.read(number) if 0 < number <= pages.count else b''
        if len(page) < pages.size:
            raise ValueError('a page is missing')
        pointer = page[:4]
        found += page[4 : pages.usable]
    return bytes(found[:size])


def _values(content: bytes) -> list[Value]:
    """Return the values of a row; texts as bytes, and None for numbers that no bag has."""
    end, place = _varint(content, 0)
    kinds = []
    while place < end:
        kind, place = _varint(content, place)
        kinds.append(kind)
    values: list[Value] = []
    for kind in kinds:
        value: Value = None
        if kind >= 12:
            size = (kind - 12) // 2
            value = content[place : place + size]
        elif kind in (8, 9):
            size, value = 0, kind - 8
        else:
            size = 8 if kind == 7 else _INTEGER_BYTES[kind]
            if 0 < kind < 7:
                value = int.from_bytes(content[place : place + size], 'big', signed=True)
        place += size
        values.append(value)
    if place > len(content):
        raise ValueError('shorter than it says')
    return values


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """Return a number of 1 to 9 bytes, and the place after it."""
    value = 0
    for index in range(8):
        byte = data[place + index]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, place + index + 1
    return value << 8 | data[place + 8], place + 9
