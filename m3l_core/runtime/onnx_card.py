"""The model card inside an ONNX file, read and replaced without any ONNX library or engine.

An ONNX file is one protobuf message. Only its outermost level is walked here, so that a robot
knows within milliseconds, whatever engine it has, what a file is and whether it is whole.
"""

from __future__ import annotations

import io
from typing import BinaryIO, TYPE_CHECKING

from m3l_core.errors import ModelError
from m3l_core.model_card import CARD_KEY, ModelCard

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_GRAPH, _METADATA_PROPS = 7, 14
"""Field numbers of ModelProto in onnx.proto."""

_KEY, _VALUE = 1, 2
"""Field numbers of StringStringEntryProto."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
"""Wire types of protobuf."""


def read_onnx_card(path: Path) -> ModelCard:
    """Return the model card of the ONNX file `path`.

    Raises:
        ModelError: If the file cannot be read, is damaged, or carries no model card.
    """
    properties: dict[str, str] = {}
    has_graph = False
    try:
        size = path.stat().st_size
        with path.open('rb') as file:
            for field, value in _fields(file, size, skip={_GRAPH}):
                has_graph = has_graph or field == _GRAPH
                if field == _METADATA_PROPS:
                    name, text = _property(value)
                    properties[name] = text
    except OSError as error:
        raise ModelError(
            f'{path}: {error.strerror}. Give the path of a model file that m3l export wrote.'
        ) from error
    except ValueError as error:
        raise ModelError(
            f'{path}: is damaged or no ONNX file: {error}. Copy or export it again.'
        ) from error
    if not has_graph:
        raise ModelError(f'{path}: is damaged or no ONNX file: no graph. Copy or export it again.')
    if CARD_KEY not in properties:
        raise ModelError(
            f'{path}: expected an ONNX file with a model card, got one without. '
            'Make it with m3l export.'
        )
    return ModelCard.from_json(properties[CARD_KEY], str(path))


def with_card(data: bytes, card: ModelCard) -> bytes:
    """Return the ONNX file `data` with `card` in the place of the one that is there.

    Raises:
        ValueError: If the bytes are no ONNX file.
    """
    kept, start = bytearray(), 0
    file = io.BytesIO(data)
    for field, value in _fields(file, len(data)):
        end = file.tell()
        is_card = field == _METADATA_PROPS and _property(value)[0] == CARD_KEY
        kept += b'' if is_card else data[start:end]
        start = end
    pair = _field(_KEY, CARD_KEY.encode()) + _field(_VALUE, card.to_json().encode())
    return bytes(kept + _field(_METADATA_PROPS, pair))


def _property(value: bytes) -> tuple[str, str]:
    pair = dict(_fields(io.BytesIO(value), len(value)))
    return pair.get(_KEY, b'').decode(), pair.get(_VALUE, b'').decode()


def _field(number: int, value: bytes) -> bytes:
    """Return a field of bytes as protobuf writes it."""
    return bytes([number << 3 | _BYTES]) + _varint_bytes(len(value)) + value


def _varint_bytes(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*written, value])


def _fields(
    file: BinaryIO, size: int, skip: frozenset[int] | set[int] = frozenset()
) -> Iterator[tuple[int, bytes]]:
    """Yield number and bytes of each field; of those in `skip`, the place only.

    Raises:
        ValueError: If the bytes are no protobuf message of `size` bytes.
    """
    while (start := file.tell()) < size:
        tag = _varint(file)
        field, wire_type = tag >> 3, tag & 7
        if wire_type == _VARINT:
            _varint(file)
            yield field, b''
            continue
        lengths = {_FIXED64: 8, _FIXED32: 4}
        if field == 0 or (wire_type != _BYTES and wire_type not in lengths):
            raise ValueError(f'unknown field at byte {start}')
        length = _varint(file) if wire_type == _BYTES else lengths[wire_type]
        if length > size - file.tell():
            raise ValueError(f'the field at byte {start} runs past the end of {size} bytes')
        if field in skip:
            file.seek(length, io.SEEK_CUR)
            yield field, b''
        else:
            yield field, file.read(length)


def _varint(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            break
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ValueError('a number is cut off')
