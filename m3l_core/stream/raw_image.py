"""Raw images: whether a message has the bytes its size asks for, and its colors as RGB."""

from __future__ import annotations

from typing import Any, TYPE_CHECKING

import cv2
import numpy as np

from m3l_core.errors import FrameError
from m3l_core.stream.image_header import check_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

BAYER = {
    # OpenCV names a pattern by the second and third pixel of the second row.
    'bayer_rggb': cv2.COLOR_BayerBG2RGB,
    'bayer_bggr': cv2.COLOR_BayerRG2RGB,
    'bayer_gbrg': cv2.COLOR_BayerGR2RGB,
    'bayer_grbg': cv2.COLOR_BayerGB2RGB,
}
"""Conversion to RGB by mosaic."""

_COLORS = {
    'rgb': (3, None),
    'bgr': (3, cv2.COLOR_BGR2RGB),
    'rgba': (4, cv2.COLOR_RGBA2RGB),
    'bgra': (4, cv2.COLOR_BGRA2RGB),
    'mono': (1, cv2.COLOR_GRAY2RGB),
    **{name: (1, code) for name, code in BAYER.items()},
}

_PACKED: dict[str, tuple[int, int, int | None]] = {
    **{f'{name}8': (channels, 1, code) for name, (channels, code) in _COLORS.items()},
    **{f'{name}16': (channels, 2, code) for name, (channels, code) in _COLORS.items()},
    '8UC1': (1, 1, cv2.COLOR_GRAY2RGB),
    # Without a name for its colors an image is one of OpenCV, whose order is BGR.
    '8UC3': (3, 1, cv2.COLOR_BGR2RGB),
    '8UC4': (4, 1, cv2.COLOR_BGRA2RGB),
    'uyvy': (2, 1, cv2.COLOR_YUV2RGB_UYVY),
    'yuv422': (2, 1, cv2.COLOR_YUV2RGB_UYVY),
    'yuyv': (2, 1, cv2.COLOR_YUV2RGB_YUYV),
    'yuv422_yuy2': (2, 1, cv2.COLOR_YUV2RGB_YUYV),
}
"""Samples of a pixel, bytes of a sample, and the conversion to RGB."""

_NV = {
    'nv12': cv2.COLOR_YUV2RGB_NV12,
    'nv21': cv2.COLOR_YUV2RGB_NV21,
    'nv24': cv2.COLOR_YUV2RGB_NV12,
}
"""A plane of brightness, then one of color: of a quarter of the pixels, or for nv24 of all."""

COLOR_ENCODINGS = (*_PACKED, *_NV)


def decode_raw_color(where: str, message: Any) -> NDArray[np.uint8]:  # noqa: ANN401
    """Return `(H, W, 3)` RGB of a raw image whose encoding is one of `COLOR_ENCODINGS`.

    C-contiguous; a read-only view of the message where nothing is to be converted. Of samples
    with 16 bits the upper 8 are taken.

    Raises:
        FrameError: If size and bytes contradict each other.
    """
    encoding = message.encoding
    if encoding in _NV:
        planes = _subsampled(where, message) if encoding == 'nv24' else _nv_planes(where, message)
        return _converted(where, planes, _NV[encoding])
    channels, sample_bytes, conversion = _PACKED[encoding]
    if channels == 2:
        _expect_even(where, message, 'width')
    pixels = _upper_bytes(where, message, channels, sample_bytes)
    if conversion is None:
        return np.ascontiguousarray(pixels)
    return _converted(where, pixels, conversion)


def samples(where: str, message: Any, dtype: np.dtype[Any]) -> NDArray[Any]:  # noqa: ANN401
    """Return a `(H, W)` view of a raw image with one sample of `dtype` per pixel.

    Raises:
        FrameError: If size and bytes contradict each other.
    """
    data = _image_bytes(where, message, row_bytes=dtype.itemsize)
    shape = (message.height, message.width)
    view: NDArray[Any] = np.ndarray(shape, dtype, data, strides=(message.step, dtype.itemsize))
    return view


def message_bytes(where: str, data: Any) -> memoryview:  # noqa: ANN401
    """Return the data of a message (array, bytes or ndarray) as bytes, without copying.

    Raises:
        FrameError: If it is something else.
    """
    try:
        return memoryview(data).cast('B')
    except TypeError:
        raise FrameError(
            f'{where}: expected its data as contiguous bytes, got {type(data).__name__}.'
        ) from None


def _image_bytes(
    where: str,
    message: Any,  # noqa: ANN401
    *,
    row_bytes: int,
    height_factor: float = 1,
) -> memoryview:
    """Return the bytes of a raw image, which hold all its rows.

    Args:
        where: What the image is, for the error's text.
        message: The image.
        row_bytes: Bytes of a pixel in each row.
        height_factor: Rows in the data for each row of pixels.
    """
    height, width, step = int(message.height), int(message.width), int(message.step)
    check_size(where, height, width)
    row = width * row_bytes
    if step < row:
        raise FrameError(
            f'{where}: expected a step of at least {row} bytes for {width} pixels of '
            f'{message.encoding}, got {step}. Check its publisher.'
        )
    rows = int(height * height_factor)
    data = message_bytes(where, message.data)
    least = step * (rows - 1) + row  # Some drivers leave the padding of the last row out.
    if not least <= len(data) <= step * rows:
        raise FrameError(
            f'{where}: expected {step * rows} bytes ({rows} rows of {step}), '
            f'got {len(data)}. Check its publisher.'
        )
    return data


def _upper_bytes(
    where: str,
    message: Any,  # noqa: ANN401
    channels: int,
    sample_bytes: int,
) -> NDArray[np.uint8]:
    """Return `(H, W, channels)`: each sample, or the more significant of its two bytes."""
    data = _image_bytes(where, message, row_bytes=channels * sample_bytes)
    offset = 0 if message.is_bigendian else sample_bytes - 1
    view: NDArray[np.uint8] = np.ndarray(
        (message.height, message.width, channels), np.uint8, data, offset,
        (message.step, channels * sample_bytes, sample_bytes),
    )  # fmt: skip
    return view if sample_bytes == 1 else np.ascontiguousarray(view)


def _nv_planes(where: str, message: Any) -> NDArray[np.uint8]:  # noqa: ANN401
    """Return `(1.5 H, W)`: the brightness, then the color of every second pixel and row."""
    _expect_even(where, message, 'width', 'height')
    data = _image_bytes(where, message, row_bytes=1, height_factor=1.5)
    shape = (message.height * 3 // 2, message.width)
    planes: NDArray[np.uint8] = np.ndarray(shape, np.uint8, data, strides=(message.step, 1))
    return planes


def _subsampled(where: str, message: Any) -> NDArray[np.uint8]:  # noqa: ANN401
    """Return the planes of nv24 as those of nv12, which OpenCV knows."""
    _expect_even(where, message, 'width', 'height')
    data = _image_bytes(where, message, row_bytes=1, height_factor=3)
    height, width, step = message.height, message.width, message.step
    brightness: NDArray[np.uint8] = np.ndarray((height, width), np.uint8, data, 0, (step, 1))
    color: NDArray[np.uint8] = np.ndarray(
        (height, width, 2), np.uint8, data, height * step, (2 * step, 2, 1)
    )
    return np.concatenate([brightness, color[::2, ::2].reshape(height // 2, width)])


def _expect_even(where: str, message: Any, *sides: str) -> None:  # noqa: ANN401
    """Refuse a side that images whose pixels share their color cannot have."""
    for side in sides:
        if getattr(message, side) % 2:
            raise FrameError(
                f'{where}: expected an even {side} for {message.encoding}, got '
                f'{getattr(message, side)}. Check its publisher.'
            )


def _converted(where: str, pixels: NDArray[np.uint8], conversion: int) -> NDArray[np.uint8]:
    try:
        return cv2.cvtColor(pixels, conversion)  # type: ignore[no-any-return]
    except cv2.error as error:
        raise FrameError(f'{where}: OpenCV cannot convert it: {error.err}.') from error
