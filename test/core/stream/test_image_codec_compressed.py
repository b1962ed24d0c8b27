"""JPEG and PNG of colors, with the format names that image_transport gives them."""

from __future__ import annotations

import cv2
from image_messages import compressed, GRAY, H, mosaic, RGB, SMOOTH, W
import numpy as np
import pytest

from m3l_core.stream.image_codec import decode_rgb, encode_jpeg, encode_png


@pytest.mark.parametrize(
    'format_name',
    ['png', 'rgb8; png compressed bgr8', 'bgr8; png compressed ', 'yuv422; png compressed bgr8'],
)
def test_a_png_is_decoded_without_loss(format_name: str) -> None:
    np.testing.assert_array_equal(decode_rgb(compressed(format_name, encode_png(RGB))), RGB)


@pytest.mark.parametrize(
    'format_name',
    ['jpeg', 'jpg', '', 'rgb8; jpeg compressed bgr8', 'yuv422_yuy2; jpeg compressed bgr8'],
)
def test_a_jpeg_is_decoded_to_rgb(format_name: str) -> None:
    decoded = decode_rgb(compressed(format_name, encode_jpeg(SMOOTH, 98)))
    assert np.abs(decoded.astype(int) - SMOOTH).mean() < 5


def test_a_png_of_16_bits_keeps_their_upper_8() -> None:
    wide = RGB[..., ::-1] * np.uint16(256) + 99
    data = cv2.imencode('.png', wide)[1].tobytes()
    decoded = decode_rgb(compressed('rgb16; png compressed bgr16', data))
    assert np.abs(decoded.astype(int) - RGB).max() <= 1


@pytest.mark.parametrize('format_name', ['mono8; png compressed ', 'png'])
def test_gray_has_three_equal_channels(format_name: str) -> None:
    decoded = decode_rgb(compressed(format_name, encode_png(GRAY[..., 0])))
    np.testing.assert_array_equal(decoded, np.repeat(GRAY, 3, axis=2))


@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
@pytest.mark.parametrize('bits', [8, 16])
def test_a_compressed_mosaic_becomes_color(pattern: str, bits: int) -> None:
    seen = mosaic(pattern, {'r': 200, 'g': 100, 'b': 50}, (H, W)) << (bits - 8)
    data = encode_png(seen.astype(f'u{bits // 8}'))
    decoded = decode_rgb(compressed(f'bayer_{pattern}{bits}; png compressed ', data))
    assert np.abs(decoded.astype(int) - (200, 100, 50)).max() <= 1


def test_gray_that_image_transport_made_of_a_mosaic_stays_gray() -> None:
    data = encode_png(mosaic('rggb', {'r': 200, 'g': 200, 'b': 50}, (H, W)).astype(np.uint8))
    decoded = decode_rgb(compressed('bayer_rggb8; jpeg compressed mono8', data))
    np.testing.assert_array_equal(decoded[..., 0], decoded[..., 2])


def test_a_jpeg_padded_with_zeros_is_decoded() -> None:
    data = encode_jpeg(SMOOTH)
    expected = decode_rgb(compressed('jpeg', data))
    np.testing.assert_array_equal(decode_rgb(compressed('jpeg', data + bytes(999))), expected)
