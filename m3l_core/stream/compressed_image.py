"""Encoded images: JPEG and PNG for color, PNG behind a short header for depth.

The `format` of a message follows image_transport: `rgb8; jpeg compressed bgr8`, plain `jpeg`,
`16UC1; compressedDepth png`, or, in older bags, `16UC1; compressedDepth`.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, TypeVar

import cv2
import numpy as np

from m3l_core.errors import FrameError
from m3l_core.stream.depth_units import drop_non_readings, meters
from m3l_core.stream.image_header import ImageHeader, read_header

if TYPE_CHECKING:
    from numpy.typing import NDArray

Gray = TypeVar('Gray', np.uint8, np.uint16)

_DEPTH_HEADER = struct.Struct('<iff')
"""compressedDepth: a kind, then A and B of `depth = A / (value - B)`, used for 32FC1 only."""

_MOSAIC = ('bayer', 'yuv', 'uyvy', 'yuyv', 'nv21', 'nv24')
"""Encodings that image_transport compresses without converting them to color."""


def decode_color(format_name: str, data: memoryview) -> NDArray[np.uint8]:
    """Return `(H, W, 3)` RGB pixels of a JPEG or PNG.

    Raises:
        FrameError: If the bytes are not a whole image, or not one of colors.
    """
    where = 'compressed color image'
    encoding = format_name.split(';')[0].strip().lower()
    if encoding.startswith(_MOSAIC) or 'compresseddepth' in format_name.lower():
        raise FrameError(
            f"{where}: expected the format 'jpeg', 'png' or 'rgb8; jpeg compressed bgr8', "
            f'got {format_name!r}. Choose the topic of a color image.'
        )
    header = read_header(where, data)
    pixels = _decode(where, header, data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)  # type: ignore[no-any-return]


def decode_compressed_depth(format_name: str, data: memoryview) -> NDArray[np.float32]:
    """Return `(H, W)` meters of a compressed depth image, 0 where there is no reading.

    Raises:
        FrameError: If the format is unknown, or the bytes are not a whole 16-bit PNG.
    """
    where = 'compressed depth image'
    encoding, _, codec = (part.strip().lower() for part in format_name.partition(';'))
    if encoding in ('16uc1', 'mono16', 'png') and 'compresseddepth' not in codec:
        return meters(decode_gray_png(where, data, np.uint16))
    if encoding not in ('16uc1', 'mono16', '32fc1') or 'compresseddepth' not in codec:
        raise FrameError(
            f"{where}: expected the format '16UC1; compressedDepth png' or "
            f"'32FC1; compressedDepth png', got {format_name!r}. Choose the topic of a "
            'compressedDepth image.'
        )
    if 'rvl' in codec:
        raise FrameError(
            f"{where}: expected the codec PNG, got 'rvl'. Set the publisher's parameter "
            'compressedDepth.format to png.'
        )
    if len(data) <= _DEPTH_HEADER.size:
        raise FrameError(
            f'{where}: expected {_DEPTH_HEADER.size} bytes of header and a PNG, got {len(data)} '
            'bytes. Check its publisher.'
        )
    _, a, b = _DEPTH_HEADER.unpack_from(data)
    values = decode_gray_png(where, data[_DEPTH_HEADER.size :], np.uint16)
    return _dequantize(where, values, a, b) if encoding == '32fc1' else meters(values)


def decode_gray_png(where: str, data: memoryview, dtype: type[Gray]) -> NDArray[Gray]:
    """Return the `(H, W)` values of a PNG of one channel, of 8 or 16 bits as `dtype` says.

    Raises:
        FrameError: If the bytes are anything else.
    """
    bits = np.dtype(dtype).itemsize * 8
    header = read_header(where, data)
    if (header.kind, header.gray, header.bit_depth) != ('png', True, bits):
        raise FrameError(
            f'{where}: expected a PNG with one channel of {bits} bits, got a '
            f'{header.description}. Choose the right topic or file.'
        )
    return _decode(where, header, data, cv2.IMREAD_UNCHANGED).view(dtype)


def encode_compressed_depth(depth_mm: NDArray[np.uint16]) -> bytes:
    """Return the compressedDepth payload (format `16UC1; compressedDepth png`) of millimeters."""
    return _DEPTH_HEADER.pack(0, 0.0, 0.0) + encode_png(depth_mm)


def encode_jpeg(rgb: NDArray[np.uint8], quality: int = 90) -> bytes:
    """Return `(H, W, 3)` RGB pixels as a JPEG; `quality` from 1 to 100."""
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    return _encode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])


def encode_png(image: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    """Return RGB pixels `(H, W, 3)`, labels or millimeters `(H, W)` as a PNG, losslessly."""
    pixels = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return _encode('.png', pixels, [cv2.IMWRITE_PNG_COMPRESSION, 4])


def _encode(suffix: str, pixels: NDArray[np.generic], options: list[int]) -> bytes:
    encoded, data = cv2.imencode(suffix, pixels, options)
    if not encoded:
        raise FrameError(f'image: OpenCV cannot encode {pixels.shape} {pixels.dtype} as {suffix}.')
    result: bytes = data.tobytes()
    return result


def _decode(
    where: str, header: ImageHeader, data: memoryview, flags: int
) -> NDArray[np.uint8 | np.uint16]:
    """Return the pixels as OpenCV decodes them, of the size that the header says."""
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        pixels = None
    if pixels is None or pixels.shape[:2] != (header.height, header.width):
        raise FrameError(
            f'{where}: expected {header.width}x{header.height} pixels of '
            f'{header.kind.upper()}, got {len(data)} bytes that do not decode. '
            'It was damaged on its way.'
        )
    result: NDArray[np.uint8 | np.uint16] = pixels
    return result


def _dequantize(where: str, values: NDArray[np.uint16], a: float, b: float) -> NDArray[np.float32]:
    """Return the meters that 32FC1 was quantized from; value 0 means no reading."""
    if not np.isfinite([a, b]).all():
        raise FrameError(
            f'{where}: expected finite A and B in its header, got {a} and {b}. '
            'It was damaged on its way.'
        )
    depth_m = values.astype(np.float32)
    depth_m -= np.float32(b)
    with np.errstate(divide='ignore', over='ignore', invalid='ignore'):
        np.divide(np.float32(a), depth_m, out=depth_m)
    depth_m[values == 0] = 0
    return drop_non_readings(depth_m)
