"""RVL, the run-length code of compressedDepth (A. Wilson, Fast Lossless Depth Image Compression).

    width, height      two little-endian uint32
    zeros, nonzeros    how many pixels of each follow; repeated to the end of the image
    differences        one for each of the nonzeros, to the nonzero pixel before, as zigzag

All but the size are numbers of three bits to a nibble, the lowest first; the fourth bit says that
more follow. Eight nibbles, the first one uppermost, make a little-endian word.

The code is a chain: where a run begins is known only after the one before. So NumPy reads all
numbers as if each were a difference, and only the runs, hundreds of times fewer, take a loop.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from m3l_core.errors import FrameError
from m3l_core.stream.image_header import check_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIZE = struct.Struct('<II')

_MAX_PIXEL_BYTES = 4
"""Code of a pixel: at most 3 bytes for a difference of 17 bits, and its share of the runs."""

_BLANK_PIXELS = 2**22
_PIXELS_PER_BYTE = 1024
"""A blank image of any size takes 4 bytes. Beyond the size of any depth camera so few are refused:
they are damage, or made to fill the memory."""

_MAX_NIBBLES = 9
"""Of a number in an image of at most 2^25 pixels; no encoder writes a longer one."""


def decode_rvl(where: str, data: memoryview) -> NDArray[np.uint16]:
    """Return the `(H, W)` values of an image in RVL.

    Args:
        where: What the image is, for the error's text.
        data: The code, size included.

    Raises:
        FrameError: If the runs do not add up to the size. RVL has no checksum: damage within a
            difference cannot be seen.
    """
    if len(data) < _SIZE.size:
        raise FrameError(
            f'{where}: expected {_SIZE.size} bytes of size and an RVL code, got {len(data)} '
            'bytes. It was cut on its way.'
        )
    width, height = _SIZE.unpack_from(data)
    check_size(where, height, width)
    code = data[_SIZE.size :]
    pixels = width * height
    least = max(4, (pixels - _BLANK_PIXELS) // _PIXELS_PER_BYTE)
    most = _MAX_PIXEL_BYTES * (pixels + 1)
    if not least <= len(code) <= most:
        raise FrameError(
            f'{where}: expected {least} to {most} bytes for {width}x{height} pixels of RVL, got '
            f'{len(code)}. It was damaged or cut on its way.'
        )
    values = _values(_numbers(code), pixels)
    if values is None:
        raise FrameError(
            f'{where}: expected {width}x{height} pixels of RVL, got a code of {len(code)} bytes '
            'for another number. It was damaged or cut on its way.'
        )
    return values.reshape(height, width)


def _numbers(code: memoryview) -> NDArray[np.int32]:
    """Return every number of the code; one longer than any image needs is -1."""
    words = np.frombuffer(code, '<u4', count=len(code) // 4)
    pairs = words.astype('>u4').view(np.uint8)
    nibbles = np.empty(2 * len(pairs), np.uint8)
    nibbles[0::2] = pairs >> 4
    nibbles[1::2] = pairs & 15
    ends = np.flatnonzero(nibbles < 8)
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    following = ends - starts
    nibbles &= 7
    numbers: NDArray[np.int32] = nibbles[starts].astype(np.int32)
    longer = np.flatnonzero(following)
    for place in range(1, _MAX_NIBBLES):
        numbers[longer] |= nibbles[starts[longer] + place].astype(np.int32) << 3 * place
        longer = longer[following[longer] > place]
    numbers[longer] = -1
    return numbers


def _run_starts(numbers: NDArray[np.int32], most: int) -> NDArray[np.int64]:
    """Return the places of the runs among the numbers, at most that many."""
    # Where the next run begins, if one begins here; ints, as an array's items cost more.
    following = (np.arange(2, len(numbers) + 1) + numbers[1:]).data
    end = len(following)
    starts: list[int] = []
    place = 0
    for _ in range(most):
        if place >= end:
            break
        starts.append(place)
        place = following[place]
    return np.array(starts, np.int64)


def _values(numbers: NDArray[np.int32], pixels: int) -> NDArray[np.uint16] | None:
    """Return the pixels, one after another, or None if the runs do not make that many."""
    # All but the first and last have a zero and a nonzero; more runs only waste time.
    starts = _run_starts(numbers, pixels // 2 + 1)
    runs = np.stack([numbers[starts], numbers[starts + 1]], axis=1)  # zeros, nonzeros
    complete = np.flatnonzero(np.cumsum(runs.sum(axis=1), dtype=np.int64) == pixels)
    if not len(complete):
        return None
    starts, runs = starts[: complete[0] + 1], runs[: complete[0] + 1]
    used = starts[-1] + 2 + runs[-1, 1]
    if used > len(numbers) or runs.min() < 0:
        return None
    is_difference = np.ones(used, np.bool_)
    is_difference[starts] = is_difference[starts + 1] = False
    is_nonzero = np.repeat(np.arange(runs.size) % 2 == 1, runs.ravel())
    values = np.zeros(pixels, np.uint16)
    # Sums wrap at 16 bits, as those of the encoder do.
    differences = _signed(numbers[:used][is_difference])
    values[is_nonzero] = np.cumsum(differences, dtype=np.uint16)
    return values


def _signed(zigzag: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return 0, -1, 1, -2, 2 ... for 0, 1, 2, 3, 4 ..."""
    signed: NDArray[np.int32] = np.bitwise_xor(zigzag >> 1, -(zigzag & 1))
    return signed
