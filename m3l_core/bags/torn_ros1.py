"""Reading a ROS 1 bag without its index: its recorder was killed, or it was copied in part.

The file is read from its beginning, record by record, for as long as records are whole.
http://wiki.ros.org/Bags/Format/2.0 describes them.
"""

from __future__ import annotations

import bz2
import struct
from typing import BinaryIO, TYPE_CHECKING

from m3l_core.bags.raw import RawMessage
from m3l_core.errors import missing_module

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

ROS1_MAGIC = b'#ROSBAG V2.0\n'

_MESSAGE, _CHUNK, _CONNECTION = b'\x02', b'\x05', b'\x07'
_LARGEST = 1 << 31
"""Bytes of a part of a record that are believed; a torn length may be anything."""

Fields = dict[bytes, bytes]


def ros1_messages(path: Path, topics: Collection[str] | None) -> Iterator[RawMessage]:
    """Yield the messages of `topics` (None: of all) in the order of the file."""
    connections: dict[bytes, tuple[str, str]] = {}
    with path.open('rb') as file:
        file.seek(len(ROS1_MAGIC))
        for fields, data in _records(file):
            # A chunk that was never ended says 0 bytes: what is in it follows as plain records.
            inside = _inside(fields, data) if fields.get(b'op') == _CHUNK else [(fields, data)]
            for record, content in inside:
                if record.get(b'op') == _CONNECTION:
                    connections[record.get(b'conn', b'')] = _topic_and_type(record, content)
                elif record.get(b'op') == _MESSAGE and len(record.get(b'time', b'')) == 8:
                    topic, kind = connections.get(record.get(b'conn', b''), ('', ''))
                    seconds, nanoseconds = struct.unpack('<II', record[b'time'])
                    if topic and (topics is None or topic in topics):
                        receive_ns = seconds * 1_000_000_000 + nanoseconds
                        yield RawMessage(topic, kind, receive_ns, content)


def _records(file: BinaryIO) -> Iterator[tuple[Fields, bytes]]:
    """Yield header and content of whole records, and of a chunk that the end cuts."""
    while (header := _sized(file)) is not None:
        head = file.read(4)
        size = int.from_bytes(head, 'little')
        if len(head) < 4 or size > _LARGEST:
            return
        fields, data = _fields(header), file.read(size)
        if len(data) == size or fields.get(b'op') == _CHUNK:
            yield fields, data
        if len(data) < size:
            return


def _sized(file: BinaryIO) -> bytes | None:
    """Return bytes that follow their number; None if the file ends before."""
    head = file.read(4)
    size = int.from_bytes(head, 'little')
    if len(head) < 4 or size > _LARGEST:
        return None
    data = file.read(size)
    return data if len(data) == size else None


def _inside(fields: Fields, data: bytes) -> Iterator[tuple[Fields, bytes]]:
    """Yield the whole records in a chunk, which may be cut at any byte."""
    plain = memoryview(_decompressed(data, fields.get(b'compression', b'none')))
    place = 0
    while True:
        parts = []
        for _ in range(2):
            size = int.from_bytes(plain[place : place + 4], 'little')
            part = plain[place + 4 : place + 4 + size]
            if place + 4 > len(plain) or len(part) < size:
                return
            parts.append(bytes(part))
            place += 4 + size
        yield _fields(parts[0]), parts[1]


def _decompressed(data: bytes, compression: bytes) -> bytes:
    """Return as much as can be had of data that may end too early."""
    try:
        if compression == b'bz2':
            return bz2.BZ2Decompressor().decompress(data)
        if compression == b'lz4':
            from lz4 import frame

            return bytes(frame.LZ4FrameDecompressor().decompress(data))
    except ModuleNotFoundError as error:
        raise missing_module(error, 'Reading lz4 chunks') from error
    except Exception:  # whatever a codec raises on damage: what is lost is lost
        return b''
    return data


def _fields(header: bytes) -> Fields:
    """Return the fields `name=value` of a header; nothing of what is damaged."""
    fields, place = {}, 0
    while place + 4 <= len(header):
        size = int.from_bytes(header[place : place + 4], 'little')
        name, _, value = header[place + 4 : place + 4 + size].partition(b'=')
        fields[name] = value
        place += 4 + size
    return fields


def _topic_and_type(record: Fields, content: bytes) -> tuple[str, str]:
    """Return topic and type of a connection, the type as ROS 2 writes it."""
    package, _, name = _fields(content).get(b'type', b'').decode('utf-8', 'replace').partition('/')
    return record.get(b'topic', b'').decode('utf-8', 'replace'), f'{package}/msg/{name}'
