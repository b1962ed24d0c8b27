"""Depth as image_transport sends it compressed: PNG or RVL behind a short header.

The `format` of a message is `16UC1; compressedDepth png`, `32FC1; compressedDepth rvl` and so
on, or in older bags `16UC1; compressedDepth`, which is PNG. A PNG is known by its first bytes,
with the header ahead of it or without.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from m3l_core.errors import FrameError
from m3l_core.stream.compressed_image import decode_gray_png, encode_png
from m3l_core.stream.depth_units import meters
from m3l_core.stream.image_header import is_png, shown
from m3l_core.stream.rvl import decode_rvl

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HEADER = struct.Struct('<iff')
"""A kind, then A and B of `depth = A / (value - B)`, used for 32FC1 only."""

_LARGEST_A = 1e30
"""Far beyond what anyone sets (some 10,000), and no value divides it to more than a float32."""

_WHERE = 'compressed depth image'


def decode_compressed_depth(format_name: str, data: memoryview) -> NDArray[np.float32]:
    """Return `(H, W)` meters of a compressed depth image, 0 where there is no reading.

    Raises:
        FrameError: If the format is unknown, or the bytes are not a whole image of 16 bits.
    """
    encoding, _, transport = (part.strip().lower() for part in format_name.partition(';'))
    if is_png(data) and encoding in ('16uc1', 'mono16', 'png'):
        return meters(decode_gray_png(_WHERE, data, np.uint16))
    image = data[_HEADER.size :]
    is_framed = 'compresseddepth' in transport or is_png(image)
    if encoding not in ('16uc1', 'mono16', '32fc1') or not is_framed:
        raise FrameError(
            f"{_WHERE}: expected the format '16UC1; compressedDepth png' or one with 32FC1 or "
            f'rvl, got {shown(format_name)}. Choose the topic of a compressedDepth image.'
        )
    if not image:
        raise FrameError(
            f'{_WHERE}: expected {_HEADER.size} bytes of header and an image, got {len(data)} '
            'bytes. Check its publisher.'
        )
    if 'rvl' in transport and not is_png(image):
        values = decode_rvl(_WHERE, image)
    else:
        values = decode_gray_png(_WHERE, image, np.uint16)
    if encoding != '32fc1':
        return meters(values)
    _, a, b = _HEADER.unpack_from(data)
    return _dequantized(values, a, b)


def encode_compressed_depth(depth_mm: NDArray[np.uint16]) -> bytes:
    """Return the compressedDepth payload (format `16UC1; compressedDepth png`) of millimeters."""
    return _HEADER.pack(0, 0.0, 0.0) + encode_png(depth_mm)


def _dequantized(values: NDArray[np.uint16], a: float, b: float) -> NDArray[np.float32]:
    """Return the meters that 32FC1 was quantized from; value 0 means no reading."""
    if not (0 < a <= _LARGEST_A and np.isfinite(b)):
        raise FrameError(
            f'{_WHERE}: expected A > 0 and a finite B in its header, got {a} and {b}. '
            'It was damaged on its way.'
        )
    depth_m: NDArray[np.float32] = np.subtract(values, np.float32(b), dtype=np.float32)
    last_without_reading = np.uint16(min(max(b, 0), 65535))  # Up to B, depth would be negative.
    depth_m[values <= last_without_reading] = np.inf
    np.divide(np.float32(a), depth_m, out=depth_m)
    return depth_m
