"""Reading an mcap file whose recorder never finished it: no index, perhaps half a last chunk.

The file is read from its beginning, record by record, for as long as records are whole.
https://mcap.dev/spec describes them.
"""

from __future__ import annotations

import struct
from typing import BinaryIO, TYPE_CHECKING

from m3l_core.bags.raw import RawMessage
from m3l_core.bags.zstd import zstd
from m3l_core.errors import BagError, missing_module

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

MCAP_MAGIC = b'\x89MCAP0\r\n'
_SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _DATA_END = 0x03, 0x04, 0x05, 0x06, 0x0F
_RECORD = struct.Struct('<BQ')
_MESSAGE_HEAD = struct.Struct('<HIQQ')
_CHUNK_HEAD = struct.Struct('<QQQI')


def mcap_messages(path: Path, topics: Collection[str] | None) -> Iterator[RawMessage]:
    """Yield the messages of `topics` (None: of all) in the order of the file.

    Those of one chunk come in the order in which they were received.
    """
    schemas: dict[int, str] = {}
    channels: dict[int, tuple[str, str]] = {}
    with path.open('rb') as file:
        file.seek(len(MCAP_MAGIC))
        for kind, body in _records(file):
            if kind == _DATA_END:
                return
            records = _chunk_records(body) if kind == _CHUNK else iter([(kind, body)])
            messages = []
            for inner, data in records:
                if inner == _SCHEMA:
                    schemas[_number(data, 0)] = _text(data, 2)[0]
                elif inner == _CHANNEL:
                    topic, _ = _text(data, 4)
                    channels[_number(data, 0)] = (topic, schemas.get(_number(data, 2), ''))
                elif inner == _MESSAGE and len(data) >= _MESSAGE_HEAD.size:
                    channel, _, receive_ns, _ = _MESSAGE_HEAD.unpack_from(data)
                    topic, type_name = channels.get(channel, ('', ''))
                    if topic and (topics is None or topic in topics):
                        content = bytes(data[_MESSAGE_HEAD.size :])
                        messages.append(RawMessage(topic, type_name, receive_ns, content))
            yield from sorted(messages, key=lambda message: message.receive_ns)


def _records(file: BinaryIO) -> Iterator[tuple[int, memoryview]]:
    """Yield kind and content of records; of a chunk that the end cuts, what there is."""
    while len(head := file.read(_RECORD.size)) == _RECORD.size:
        kind, size = _RECORD.unpack(head)
        body = file.read(min(size, _LARGEST))
        if len(body) == size or kind == _CHUNK:
            yield kind, memoryview(body)
        if len(body) < size:
            return


_LARGEST = 1 << 31
"""Bytes of a record that are believed; a torn length may be anything."""


def _chunk_records(body: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield the whole records in a chunk, which may be cut at any byte."""
    if len(body) < _CHUNK_HEAD.size + 4:
        return
    compression, place = _text(body, _CHUNK_HEAD.size)
    data = memoryview(_decompressed(body[place + 8 :], compression))
    place = 0
    while place + _RECORD.size <= len(data):
        kind, size = _RECORD.unpack_from(data, place)
        place += _RECORD.size
        if place + size > len(data):
            return
        yield kind, data[place : place + size]
        place += size


def _decompressed(data: memoryview, compression: str) -> bytes | memoryview:
    """Return as much as can be had of data that may end too early."""
    if compression == '':
        return data
    try:
        if compression == 'lz4':
            from lz4 import frame

            return bytes(frame.LZ4FrameDecompressor().decompress(data))
        if compression == 'zstd':
            return bytes(zstd().ZstdDecompressor().decompress(data))
    except ModuleNotFoundError as error:
        raise missing_module(error, f'Reading {compression} chunks') from error
    except Exception:  # whatever a codec raises on damage: what is lost is lost
        return b''
    raise BagError(f'chunk: expected the compression zstd, lz4 or none, got {compression!r}.')


def _number(data: memoryview, place: int) -> int:
    return int.from_bytes(data[place : place + 2], 'little')


def _text(data: memoryview, place: int) -> tuple[str, int]:
    """Return a text with its length ahead, and the place after it."""
    size = int.from_bytes(data[place : place + 4], 'little')
    end = place + 4 + size
    return bytes(data[place + 4 : end]).decode('utf-8', 'replace'), end
