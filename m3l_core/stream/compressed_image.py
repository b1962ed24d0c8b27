"""Encoded images: JPEG and PNG of colors, PNG of labels and depths.

The `format` of a message follows image_transport: `rgb8; jpeg compressed bgr8`, or plain `jpeg`.
The codec is known by the first bytes, whatever the format says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import cv2
import numpy as np

from m3l_core.errors import FrameError
from m3l_core.stream.image_header import ImageHeader, read_header, shown
from m3l_core.stream.raw_image import BAYER

if TYPE_CHECKING:
    from numpy.typing import NDArray

Gray = TypeVar('Gray', np.uint8, np.uint16)

_DEPTH = ('16uc1', '32fc1')


def decode_color(format_name: str, data: memoryview) -> NDArray[np.uint8]:
    """Return `(H, W, 3)` RGB pixels of a JPEG or PNG; of 16 bits the upper 8.

    Raises:
        FrameError: If the bytes are not a whole image, or not one of colors.
    """
    where = 'compressed color image'
    encoding, _, transport = (part.strip().lower() for part in format_name.partition(';'))
    if encoding in _DEPTH or 'compresseddepth' in transport:
        raise FrameError(
            f"{where}: expected the format 'jpeg', 'png' or 'rgb8; jpeg compressed bgr8', "
            f'got {shown(format_name)}. Choose the topic of a color image.'
        )
    header = read_header(where, data)
    mosaic = BAYER.get(encoding.removesuffix('16').removesuffix('8'))
    # Gray of a mosaic is still the mosaic, unless image_transport says that it averaged it.
    if mosaic is None or not header.gray or 'mono8' in transport:
        flags, conversion = cv2.IMREAD_COLOR, cv2.COLOR_BGR2RGB
    else:
        flags, conversion = cv2.IMREAD_GRAYSCALE, mosaic
    pixels = _decode(where, header, data, flags | cv2.IMREAD_IGNORE_ORIENTATION)
    return cv2.cvtColor(pixels, conversion)  # type: ignore[no-any-return]


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
