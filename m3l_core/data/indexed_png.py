"""PNG files of class ids as annotation tools write them: with a palette, or with few bits."""

from __future__ import annotations

import zlib

_SIGNATURE = b'\x89PNG\r\n\x1a\n'
_BIT_DEPTH, _COLOR_TYPE = 24, 25
"""Places in the file, where the header is always the first chunk."""

_GRAY, _PALETTE = 0, 3


def as_gray(data: bytes) -> tuple[bytes, int]:
    """Return a PNG whose gray levels are the indices into the palette of `data`, and their step.

    A decoder would paint an image with a palette and lose the indices, which are the ids. Levels
    of fewer than 8 bits it spreads over 0 to 255; dividing by the step undoes that. What is no
    PNG, or has no palette, is returned as it is.
    """
    if not data.startswith(_SIGNATURE) or len(data) <= _COLOR_TYPE:
        return data, 1
    step = 255 // (2 ** min(data[_BIT_DEPTH], 8) - 1) if data[_BIT_DEPTH] else 1
    if data[_COLOR_TYPE] == _GRAY:
        return data, step
    if data[_COLOR_TYPE] != _PALETTE:
        return data, 1
    return _SIGNATURE + b''.join(_gray_chunks(data)), step


def _gray_chunks(data: bytes) -> list[bytes]:
    """Return the chunks that a gray image needs; the pixels of both are stored alike."""
    chunks = []
    start = len(_SIGNATURE)
    while start + 12 <= len(data):
        end = start + 12 + int.from_bytes(data[start : start + 4], 'big')
        kind = data[start + 4 : start + 8]
        if kind == b'IHDR':
            header = bytearray(data[start:end])
            header[_COLOR_TYPE - start] = _GRAY
            header[-4:] = zlib.crc32(header[4:-4]).to_bytes(4, 'big')
            chunks.append(bytes(header))
        elif kind in (b'IDAT', b'IEND'):
            chunks.append(data[start:end])
        start = end
    return chunks
