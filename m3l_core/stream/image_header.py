"""What the header of a JPEG or PNG claims, and whether the bytes there can hold it.

A decoder allocates what a header claims. So sizes are read and compared with the number of
bytes first: a damaged or hostile message costs a few microseconds, not gigabytes.
"""

from __future__ import annotations

from dataclasses import dataclass
import struct
from typing import Literal
import zlib

from m3l_core.errors import FrameError

MAX_PIXELS = 2**25
"""Largest image that is decoded; an 8K camera (7680x4320) fits."""

_SHOWN = 60
"""Characters of a text that a message brings, in an error: enough for any encoding there is."""

_PNG_MAGIC = b'\x89PNG\r\n\x1a\n'
_JPEG_MAGIC = b'\xff\xd8\xff'

_DEFLATE_MAX_RATIO = 1032
"""No deflate stream expands further than this."""

_JPEG_MAX_PIXELS_PER_BYTE = 512
"""A block of 8x8 pixels takes at least one bit."""

_JPEG_MAX_SEGMENTS = 1024
"""More than any encoder writes ahead of the size; a bound on the search through damage."""

_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Channels by PNG color type."""


@dataclass(frozen=True)
class ImageHeader:
    """What an encoded image says of itself."""

    kind: Literal['jpeg', 'png']
    height: int
    width: int
    channels: int
    bit_depth: int
    gray: bool
    """One channel that is a value, not an index into a palette."""

    @property
    def description(self) -> str:
        """Kind and type of the pixels, for the text of an error."""
        colors = 'gray' if self.gray else 'color'
        return f'{self.kind.upper()} of {self.width}x{self.height} {self.bit_depth}-bit {colors}'


def shown(text: str) -> str:
    """Return what a message says, of its encoding say, for a text: at most a line of it."""
    return repr(text if len(text) <= _SHOWN else f'{text[:_SHOWN]} ...')


def check_size(where: str, height: int, width: int) -> None:
    """Refuse an image without pixels, or with more than any camera has.

    Raises:
        FrameError: Naming the size.
    """
    if height < 1 or width < 1 or height * width > MAX_PIXELS:
        raise FrameError(
            f'{where}: expected 1 to {MAX_PIXELS} pixels, got {width}x{height} (width x height). '
            'Check its publisher.'
        )


def is_png(data: memoryview) -> bool:
    """Tell whether the bytes begin as those of a PNG."""
    return data[:8] == _PNG_MAGIC


def read_header(where: str, data: memoryview) -> ImageHeader:
    """Return the checked header of a JPEG or PNG.

    Args:
        where: What the image is, for the error's text.
        data: The encoded image, bytes.

    Raises:
        FrameError: If the bytes are neither, are incomplete, or cannot hold that many pixels.
    """
    if is_png(data):
        header = _png_header(where, data)
        least = header.height * header.width * header.channels * header.bit_depth / 8
        least /= _DEFLATE_MAX_RATIO
    elif data[:3] == _JPEG_MAGIC:
        header = _jpeg_header(where, data)
        least = header.height * header.width / _JPEG_MAX_PIXELS_PER_BYTE
    else:
        raise FrameError(
            f'{where}: expected a JPEG or PNG, got {len(data)} bytes that start with '
            f'{bytes(data[:8]).hex(" ") or "nothing"}. Choose the transport that is published.'
        )
    check_size(where, header.height, header.width)
    if len(data) < least:
        raise FrameError(
            f'{where}: expected at least {least:.0f} bytes for {header.width}x{header.height} '
            f'pixels of {header.kind.upper()}, got {len(data)}. Its header is damaged.'
        )
    return header


def _png_header(where: str, data: memoryview) -> ImageHeader:
    """Return the header of a PNG whose every chunk is there and has the right checksum."""
    header: ImageHeader | None = None
    position = 8
    while position + 12 <= len(data):
        length, kind = struct.unpack_from('>I4s', data, position)
        end = position + 12 + length
        if end > len(data):
            break
        (checksum,) = struct.unpack_from('>I', data, end - 4)
        if zlib.crc32(data[position + 4 : end - 4]) != checksum:
            raise FrameError(
                f'{where}: expected a whole PNG, got a wrong checksum at byte {position}. '
                'It was damaged on its way.'
            )
        if position == 8 and kind == b'IHDR' and length == 13:
            width, height, bit_depth, color = struct.unpack_from('>IIBB', data, position + 8)
            header = ImageHeader(
                'png', height, width, _PNG_CHANNELS.get(color, 1), bit_depth, gray=color == 0
            )
        if header is None:
            break
        if kind == b'IEND':
            return header
        position = end
    raise FrameError(
        f'{where}: expected a whole PNG, got one that breaks off at byte {position} of '
        f'{len(data)}. It was cut on its way.'
    )


def _jpeg_header(where: str, data: memoryview) -> ImageHeader:
    """Return the header of a JPEG that ends where a JPEG ends."""
    # Some cameras hand over their whole buffer, zeros behind the image included.
    if not bytes(data).rstrip(b'\x00').endswith(b'\xff\xd9'):
        raise FrameError(
            f'{where}: expected a whole JPEG, got {len(data)} bytes without its end marker. '
            'It was cut on its way.'
        )
    position = 2
    for _ in range(_JPEG_MAX_SEGMENTS):
        while position < len(data) - 1 and data[position] == data[position + 1] == 0xFF:
            position += 1  # Fill bytes may precede a marker.
        if position + 10 > len(data) or data[position] != 0xFF:
            break
        marker = data[position + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            bits, height, width, channels = struct.unpack_from('>BHHB', data, position + 4)
            return ImageHeader('jpeg', height, width, channels, bits, gray=channels == 1)
        position += 2 + struct.unpack_from('>H', data, position + 2)[0]
    raise FrameError(
        f'{where}: expected a JPEG with a size in its header, got none up to byte {position}. '
        'It was damaged on its way.'
    )
