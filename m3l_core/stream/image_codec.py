"""Image messages to pixels: RGB in that order, depth in meters, or a `FrameError` that says why.

Nothing here is ROS: any object with the attributes of `sensor_msgs/Image` or
`sensor_msgs/CompressedImage` will do, from rclpy as well as from a bag. A raw image that needs
no conversion is a view of the message's bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m3l_core.errors import expect_array, FrameError
from m3l_core.stream.compressed_depth import decode_compressed_depth, encode_compressed_depth
from m3l_core.stream.compressed_image import decode_color, encode_jpeg, encode_png
from m3l_core.stream.depth_units import meters
from m3l_core.stream.image_header import shown
from m3l_core.stream.raw_image import COLOR_ENCODINGS, decode_raw_color, message_bytes, samples

__all__ = [
    'OtherDecoder', 'decode_depth', 'decode_rgb', 'encode_compressed_depth', 'encode_jpeg',
    'encode_png',
]  # fmt: skip

OtherDecoder = Callable[[Any], NDArray[np.uint8]]
"""Returns `(H, W, 3)` RGB of raw images with encodings not known here, or raises FrameError."""

_DEPTH_ENCODINGS = {'16UC1': 'u2', 'mono16': 'u2', '32FC1': 'f4', '64FC1': 'f8'}
"""NumPy type without byte order: integers are millimeters, floats are meters (REP 118)."""


def decode_rgb(message: Any, other: OtherDecoder | None = None) -> NDArray[np.uint8]:  # noqa: ANN401
    """Return the `(H, W, 3)` RGB pixels of an Image or CompressedImage message.

    The array is C-contiguous; it may be a read-only view of the message's data.

    Args:
        message: The image.
        other: Asked for raw images whose encoding is not known here.

    Raises:
        FrameError: If the encoding is unknown, or size and bytes contradict each other.
    """
    where = 'color image'
    if hasattr(message, 'format'):
        where = 'compressed color image'
        return decode_color(message.format, message_bytes(where, message.data))
    if message.encoding in COLOR_ENCODINGS:
        return decode_raw_color(where, message)
    if other is None:
        raise _unknown_encoding(where, message.encoding, COLOR_ENCODINGS, ', or install cv_bridge')
    pixels = other(message)
    expect_array(where, pixels, (message.height, message.width, 3), np.uint8)
    return pixels


def decode_depth(message: Any) -> NDArray[np.float32]:  # noqa: ANN401
    """Return the `(H, W)` depth in meters of an Image or CompressedImage message.

    0 where there is no reading: NaN, infinite and negative values become 0 (REP 117).

    Raises:
        FrameError: If the encoding is unknown, or size and bytes contradict each other.
    """
    where = 'depth image'
    if hasattr(message, 'format'):
        data = message_bytes('compressed depth image', message.data)
        return decode_compressed_depth(message.format, data)
    try:
        kind = _DEPTH_ENCODINGS[message.encoding]
    except KeyError:
        raise _unknown_encoding(where, message.encoding, _DEPTH_ENCODINGS) from None
    dtype = np.dtype(kind).newbyteorder('>' if message.is_bigendian else '<')
    return meters(samples(where, message, dtype))


def _unknown_encoding(
    where: str, encoding: str, known: Iterable[str], or_else: str = ''
) -> FrameError:
    return FrameError(
        f'{where}: expected one of the encodings {", ".join(known)}, got {shown(encoding)}. '
        f'Choose another topic, or have its driver publish one of these{or_else}.'
    )
