"""Image messages as drivers and image_transport make them, right and wrong."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any, TYPE_CHECKING
import zlib

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

H, W = 24, 32
RGB = np.random.default_rng(0).integers(0, 256, (H, W, 3), np.uint8)
GRAY = RGB[..., :1]
SMOOTH = cv2.resize(RGB[::8, ::8], (W, H), interpolation=cv2.INTER_LINEAR)
DEPTH_MM = np.random.default_rng(1).integers(1, 9000, (H, W), np.uint16)
DEPTH_MM[:4] = 0

QUANTIZATION = 100.0 * 101, 1 - 100.0 * 101 / 10
"""A and B of image_transport with depth_quantization 100 and depth_max 10."""


def raw(encoding: str, pixels: NDArray[Any], /, **changes: Any) -> SimpleNamespace:
    height, width = pixels.shape[:2]
    message = {
        'encoding': encoding,
        'height': height,
        'width': width,
        'step': pixels.nbytes // height,
        'is_bigendian': 0,
        'data': pixels.tobytes(),
    }
    return SimpleNamespace(**{**message, **changes})


def compressed(format_name: str, data: bytes) -> SimpleNamespace:
    return SimpleNamespace(format=format_name, data=data)


def padded(pixels: NDArray[Any], step: int) -> bytes:
    rows = np.ascontiguousarray(pixels).reshape(pixels.shape[0], -1).view(np.uint8)
    return np.pad(rows, ((0, 0), (0, step - rows.shape[1])), constant_values=7).tobytes()


def depth_data(image: bytes, a: float = 0, b: float = 0) -> bytes:
    """The data of a compressedDepth message around a PNG or RVL."""
    return struct.pack('<iff', 0, a, b) + image


def quantized(depth_m: NDArray[np.float64]) -> NDArray[np.uint16]:
    """Return depth as image_transport writes 32FC1: 0 where there is none, or it is far."""
    a, b = QUANTIZATION
    near = np.where((depth_m > 0) & (depth_m < 10), depth_m, np.inf)
    return np.where(np.isfinite(near), a / near + b, 0).astype(np.uint16)


def rvl(values: NDArray[np.uint16]) -> bytes:
    """Encode as the paper and image_transport do, one number after another."""
    nibbles: list[int] = []
    pixels = values.ravel().tolist()
    place = previous = 0
    while place < len(pixels):
        first = next((i for i in range(place, len(pixels)) if pixels[i]), len(pixels))
        end = next((i for i in range(first, len(pixels)) if not pixels[i]), len(pixels))
        nibbles += rvl_number(first - place) + rvl_number(end - first)
        for value in pixels[first:end]:
            difference = value - previous
            nibbles += rvl_number(2 * difference if difference >= 0 else -2 * difference - 1)
            previous = value
        place = end
    nibbles += [0] * (-len(nibbles) % 8)
    words = [nibbles[i : i + 8] for i in range(0, len(nibbles), 8)]
    code = b''.join(bytes.fromhex(''.join(f'{n:x}' for n in word))[::-1] for word in words)
    return struct.pack('<II', *values.shape[::-1]) + code


def rvl_number(value: int) -> list[int]:
    nibbles = [value & 7]
    while value := value >> 3:
        nibbles[-1] |= 8
        nibbles.append(value & 7)
    return nibbles


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack('>I', len(content))
        + kind
        + content
        + struct.pack('>I', zlib.crc32(kind + content))
    )


def png_that_claims(width: int, height: int, *more: bytes) -> bytes:
    """A PNG of 8-bit colors without pixels; `more` chunks follow its header."""
    size = struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    chunks = [png_chunk(b'IHDR', size), *more, png_chunk(b'IDAT', zlib.compress(bytes(100)))]
    return b'\x89PNG\r\n\x1a\n' + b''.join(chunks) + png_chunk(b'IEND', b'')


def jpeg_that_claims(data: bytes, width: int, height: int) -> bytes:
    """Return a JPEG with another size in its header."""
    place = data.index(b'\xff\xc0') + 5
    return data[:place] + struct.pack('>HH', height, width) + data[place + 4 :]


def mosaic(pattern: str, color: dict[str, int], shape: tuple[int, int]) -> NDArray[np.uint16]:
    """Return what a sensor with `pattern` ('rggb', ...) sees of one color."""
    cell = np.array([color[name] for name in pattern], np.uint16).reshape(2, 2)
    return np.tile(cell, (shape[0] // 2, shape[1] // 2))


def with_checksums(data: bytes) -> bytes:
    """Mend the checksums of a PNG, so that damage reaches the decoder."""
    result, position = bytearray(data), data.find(b'\x89PNG') + 8
    while position >= 8 and position + 12 <= len(result):
        end = position + 12 + int.from_bytes(result[position : position + 4], 'big')
        if end > len(result):
            break
        checksum = zlib.crc32(result[position + 4 : end - 4])
        result[end - 4 : end] = checksum.to_bytes(4, 'big')
        position = end
    return bytes(result)
