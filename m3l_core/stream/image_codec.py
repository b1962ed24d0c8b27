"""Image messages to pixels: RGB in that order, depth in meters, or a `FrameError` that says why.

Nothing here is ROS: any object with the attributes of `sensor_msgs/Image` or
`sensor_msgs/CompressedImage` will do, from rclpy as well as from a bag. A raw image that needs
no conversion is a view of the message's bytes.
"""

from __future__ import annotations

from typing import Any, TYPE_CHECKING

import cv2
import numpy as np

from m3l_core.errors import FrameError
from m3l_core.stream.compressed_image import (
    decode_color,
    decode_compressed_depth,
    encode_compressed_depth,
    encode_jpeg,
    encode_png,
)
from m3l_core.stream.depth_units import meters
from m3l_core.stream.image_header import check_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    'decode_depth', 'decode_rgb', 'encode_compressed_depth', 'encode_jpeg', 'encode_png',
]  # fmt: skip

_COLOR_ENCODINGS: dict[str, tuple[int, int | None]] = {
    'rgb8': (3, None),
    'bgr8': (3, cv2.COLOR_BGR2RGB),
    'rgba8': (4, cv2.COLOR_RGBA2RGB),
    'bgra8': (4, cv2.COLOR_BGRA2RGB),
    'mono8': (1, cv2.COLOR_GRAY2RGB),
}
"""Channels, and the conversion to RGB."""

_DEPTH_ENCODINGS = {'16UC1': 'u2', 'mono16': 'u2', '32FC1': 'f4'}
"""NumPy type without byte order: integers are millimeters, floats are meters (REP 118)."""


def decode_rgb(message: Any) -> NDArray[np.uint8]:  # noqa: ANN401
    """Return the `(H, W, 3)` RGB pixels of an Image or CompressedImage message.

    The array is C-contiguous; it may be a read-only view of the message's data.

    Raises:
        FrameError: If the encoding is unknown, or size and bytes contradict each other.
    """
    where = 'color image'
    if hasattr(message, 'format'):
        return decode_color(message.format, _bytes('compressed color image', message.data))
    try:
        channels, conversion = _COLOR_ENCODINGS[message.encoding]
    except KeyError:
        raise _unknown_encoding(where, message.encoding, _COLOR_ENCODINGS) from None
    pixels = _rows(where, message, np.dtype(np.uint8), channels)
    if conversion is None:
        return np.ascontiguousarray(pixels)
    return cv2.cvtColor(pixels, conversion)  # type: ignore[no-any-return]


def decode_depth(message: Any) -> NDArray[np.float32]:  # noqa: ANN401
    """Return the `(H, W)` depth in meters of an Image or CompressedImage message.

    0 where there is no reading: NaN, infinite and negative values become 0 (REP 117).

    Raises:
        FrameError: If the encoding is unknown, or size and bytes contradict each other.
    """
    where = 'depth image'
    if hasattr(message, 'format'):
        data = _bytes('compressed depth image', message.data)
        return decode_compressed_depth(message.format, data)
    try:
        kind = _DEPTH_ENCODINGS[message.encoding]
    except KeyError:
        raise _unknown_encoding(where, message.encoding, _DEPTH_ENCODINGS) from None
    dtype = np.dtype(kind).newbyteorder('>' if message.is_bigendian else '<')
    return meters(_rows(where, message, dtype, 1)[..., 0])


def _rows(
    where: str,
    message: Any,  # noqa: ANN401
    dtype: np.dtype[Any],
    channels: int,
) -> NDArray[Any]:
    """Return a `(H, W, channels)` view of the bytes of a raw image, whatever its row step."""
    height, width, step = int(message.height), int(message.width), int(message.step)
    check_size(where, height, width)
    row = width * channels * dtype.itemsize
    if step < row:
        raise FrameError(
            f'{where}: expected a step of at least {row} bytes for {width} pixels of '
            f'{message.encoding}, got {step}. Check its publisher.'
        )
    data = _bytes(where, message.data)
    least = step * (height - 1) + row  # Some drivers leave the padding of the last row out.
    if not least <= len(data) <= step * height:
        raise FrameError(
            f'{where}: expected {step * height} bytes ({height} rows of {step}), '
            f'got {len(data)}. Check its publisher.'
        )
    strides = (step, channels * dtype.itemsize, dtype.itemsize)
    rows: NDArray[Any] = np.ndarray((height, width, channels), dtype, data, strides=strides)
    return rows


def _bytes(where: str, data: Any) -> memoryview:  # noqa: ANN401
    """Return the data of a message (array, bytes or ndarray) as bytes, without copying."""
    try:
        return memoryview(data).cast('B')
    except TypeError:
        raise FrameError(
            f'{where}: expected its data as contiguous bytes, got {type(data).__name__}.'
        ) from None


def _unknown_encoding(where: str, encoding: str, known: dict[str, Any]) -> FrameError:
    return FrameError(
        f'{where}: expected one of the encodings {", ".join(known)}, got {encoding!r}. '
        'Choose another topic, or have its driver publish one of these.'
    )
