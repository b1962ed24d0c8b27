"""Raw color images of every encoding become RGB."""

from __future__ import annotations

from array import array
from typing import Any, TYPE_CHECKING

from image_messages import GRAY, H, mosaic, padded, raw, RGB, W
import numpy as np
import pytest

from m3l_core.stream.image_codec import decode_rgb

if TYPE_CHECKING:
    from numpy.typing import NDArray

BGR = RGB[..., ::-1]
ALPHA = np.full((H, W, 1), 9, np.uint8)

RED = 81, 90, 240
"""Y, U and V of pure red, BT.601."""


@pytest.mark.parametrize('padding', [0, 5])
@pytest.mark.parametrize(
    ('encoding', 'pixels', 'expected'),
    [
        ('rgb8', RGB, RGB),
        ('bgr8', BGR, RGB),
        ('8UC3', BGR, RGB),
        ('rgba8', np.concatenate([RGB, ALPHA], 2), RGB),
        ('bgra8', np.concatenate([BGR, ALPHA], 2), RGB),
        ('8UC4', np.concatenate([BGR, ALPHA], 2), RGB),
        ('mono8', GRAY, np.repeat(GRAY, 3, axis=2)),
        ('8UC1', GRAY, np.repeat(GRAY, 3, axis=2)),
    ],
)
def test_colors_of_8_bits_become_rgb(
    encoding: str, pixels: NDArray[np.uint8], expected: NDArray[np.uint8], padding: int
) -> None:
    step = pixels.nbytes // H + padding
    decoded = decode_rgb(raw(encoding, pixels, step=step, data=padded(pixels, step)))
    np.testing.assert_array_equal(decoded, expected)
    assert decoded.flags.c_contiguous


@pytest.mark.parametrize('padding', [0, 6])
@pytest.mark.parametrize(('order', 'is_bigendian'), [('<', 0), ('>', 1)])
@pytest.mark.parametrize(
    ('encoding', 'pixels', 'expected'),
    [
        ('rgb16', RGB, RGB),
        ('bgr16', BGR, RGB),
        ('rgba16', np.concatenate([RGB, ALPHA], 2), RGB),
        ('bgra16', np.concatenate([BGR, ALPHA], 2), RGB),
        ('mono16', GRAY, np.repeat(GRAY, 3, axis=2)),
    ],
)
def test_colors_of_16_bits_keep_their_upper_8(
    encoding: str, pixels: NDArray[np.uint8], expected: NDArray[np.uint8],
    order: str, is_bigendian: int, padding: int,
) -> None:  # fmt: skip
    wide = (pixels * np.uint16(256) + 99).astype(f'{order}u2')
    step = wide.nbytes // H + padding
    message = raw(encoding, wide, step=step, data=padded(wide, step), is_bigendian=is_bigendian)
    decoded = decode_rgb(message)
    np.testing.assert_array_equal(decoded, expected)
    assert decoded.flags.c_contiguous


@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
@pytest.mark.parametrize(
    ('bits', 'order', 'is_bigendian'), [(8, '<', 0), (16, '<', 0), (16, '>', 1)]
)
def test_a_mosaic_of_one_color_becomes_that_color(
    pattern: str, bits: int, order: str, is_bigendian: int
) -> None:
    seen = mosaic(pattern, {'r': 200, 'g': 100, 'b': 50}, (H, W)) << (bits - 8)
    pixels = seen.astype(f'{order}u{bits // 8}')
    decoded = decode_rgb(raw(f'bayer_{pattern}{bits}', pixels, is_bigendian=is_bigendian))
    assert (decoded == (200, 100, 50)).all()
    assert decoded.shape == (H, W, 3)


@pytest.mark.parametrize('padding', [0, 4])
@pytest.mark.parametrize(
    ('encoding', 'order'),
    [('uyvy', 'uyvy'), ('yuv422', 'uyvy'), ('yuyv', 'yuyv'), ('yuv422_yuy2', 'yuyv')],
)
def test_yuv_of_two_pixels_becomes_rgb(encoding: str, order: str, padding: int) -> None:
    two_pixels = [RED['yuv'.index(name)] for name in order]
    pixels = np.tile(np.array(two_pixels, np.uint8), (H, W // 2)).reshape(H, W, 2)
    pixels[:, : W // 2, order.index('y') :: 2] = 16  # The left half is darker.
    step = 2 * W + padding
    decoded = decode_rgb(raw(encoding, pixels, step=step, data=padded(pixels, step)))
    assert np.abs(decoded[:, W // 2 :].astype(int) - (255, 0, 0)).max() <= 2
    assert decoded[:, : W // 2, 0].max() < decoded[:, W // 2 :, 0].min()


@pytest.mark.parametrize('padding', [0, 4])
@pytest.mark.parametrize(
    ('encoding', 'color'), [('nv12', RED[1:]), ('nv21', RED[:0:-1]), ('nv24', RED[1:])]
)
def test_planes_of_brightness_and_color_become_rgb(
    encoding: str, color: tuple[int, int], padding: int
) -> None:
    step = W + padding
    rows = 2 * H if encoding == 'nv24' else H // 2
    brightness = padded(np.full((H, W), RED[0], np.uint8), step)
    pairs = np.tile(np.array(color, np.uint8), (rows, W // 2))
    if encoding == 'nv24':  # A row of color has twice the bytes of one of brightness.
        plane = padded(pairs.reshape(H, 2 * W), 2 * step)
    else:
        plane = padded(pairs, step)
    message = raw(encoding, np.empty((H, W)), step=step, data=brightness + plane)
    decoded = decode_rgb(message)
    assert decoded.shape == (H, W, 3)
    assert np.abs(decoded.astype(int) - (255, 0, 0)).max() <= 2


@pytest.mark.parametrize('kind', [bytes, bytearray, lambda x: array('B', x), memoryview])
def test_data_may_be_any_kind_of_bytes(kind: Any) -> None:
    np.testing.assert_array_equal(decode_rgb(raw('rgb8', RGB, data=kind(RGB.tobytes()))), RGB)


def test_rgb8_is_a_view_of_the_message() -> None:
    data = array('B', RGB.tobytes())
    assert np.shares_memory(decode_rgb(raw('rgb8', RGB, data=data)), np.frombuffer(data, np.uint8))


def test_read_only_data_is_decoded() -> None:
    data = np.frombuffer(BGR.tobytes(), np.uint8)
    np.testing.assert_array_equal(decode_rgb(raw('bgr8', RGB, data=data)), RGB)


def test_the_last_row_may_lack_its_padding() -> None:
    step = W * 3 + 10
    message = raw('rgb8', RGB, step=step, data=padded(RGB, step)[:-10])
    np.testing.assert_array_equal(decode_rgb(message), RGB)


def test_an_encoding_not_known_here_is_left_to_the_other_decoder() -> None:
    message = raw('yuv444', RGB)
    assert decode_rgb(message, lambda given: RGB if given is message else GRAY) is RGB


def test_a_known_encoding_needs_no_other_decoder() -> None:
    np.testing.assert_array_equal(decode_rgb(raw('bgr8', BGR), lambda _: RGB * 0), RGB)
