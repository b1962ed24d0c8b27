"""Label files with a palette or with few bits: the ids are the indices."""

from __future__ import annotations

import zlib

import cv2
import numpy as np
import pytest

from m3l_core.data.samples import decode_ids
from m3l_core.errors import DataError


def png(ids: np.ndarray, bits: int, color_type: int) -> bytes:
    """Return a PNG as the standard describes it, with a palette of random colors and a note."""
    height, width = ids.shape
    places = 8 // bits
    padded = np.pad(ids, ((0, 0), (0, -width % places))).reshape(height, -1, places)
    packed = (padded << np.arange(8 - bits, -1, -bits)).sum(axis=2).astype(np.uint8)
    rows = b''.join(b'\0' + row.tobytes() for row in packed)
    header = (
        width.to_bytes(4, 'big') + height.to_bytes(4, 'big') + bytes([bits, color_type, 0, 0, 0])
    )
    palette = np.random.default_rng(0).integers(0, 256, 3 * 2**bits).astype(np.uint8).tobytes()
    chunks = [(b'IHDR', header), (b'tEXt', b'Software\0none'), (b'IDAT', zlib.compress(rows))]
    if color_type == 3:
        chunks[2:2] = [(b'PLTE', palette), (b'tRNS', b'\0')]
    return b'\x89PNG\r\n\x1a\n' + b''.join(
        len(body).to_bytes(4, 'big') + kind + body + zlib.crc32(kind + body).to_bytes(4, 'big')
        for kind, body in [*chunks, (b'IEND', b'')]
    )


@pytest.mark.parametrize('bits', [1, 2, 4, 8])
@pytest.mark.parametrize('color_type', [0, 3])
def test_ids_are_the_indices(bits: int, color_type: int) -> None:
    ids = np.random.default_rng(1).integers(0, 2**bits, (9, 13)).astype(np.uint8)
    np.testing.assert_array_equal(decode_ids(png(ids, bits, color_type), 'a.png'), ids)


def test_gray_files_of_other_writers_are_read_as_they_are() -> None:
    ids = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.testing.assert_array_equal(decode_ids(cv2.imencode('.png', ids)[1].tobytes(), 'a'), ids)


def test_colors_are_no_ids() -> None:
    data = cv2.imencode('.png', np.zeros((4, 4, 3), np.uint8))[1].tobytes()
    with pytest.raises(DataError, match='expected a one-channel 8-bit PNG of class ids'):
        decode_ids(data, 'a.png')


@pytest.mark.parametrize('length', [0, 5, 20, 26, 60, 100])
def test_a_file_cut_short_is_refused(length: int) -> None:
    data = png(np.zeros((9, 13), np.uint8), 8, 3)
    with pytest.raises(DataError, match='is no image that can be read'):
        decode_ids(data[:length], 'a.png')
