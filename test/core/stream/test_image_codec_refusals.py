"""Images that are not what they say are refused, with what is wrong and what to do."""

from __future__ import annotations

from types import SimpleNamespace

from image_messages import (
    compressed,
    depth_data,
    DEPTH_MM,
    jpeg_that_claims,
    png_that_claims,
    raw,
    RGB,
    rvl,
)  # fmt: skip
import numpy as np
import pytest

from m3l_core.errors import FrameError
from m3l_core.stream.image_codec import (
    decode_depth,
    decode_rgb,
    encode_compressed_depth,
    encode_jpeg,
    encode_png,
)

COLOR_ENCODINGS = (
    'rgb8, bgr8, rgba8, bgra8, mono8, bayer_rggb8, bayer_bggr8, bayer_gbrg8, bayer_grbg8, rgb16, '
    'bgr16, rgba16, bgra16, mono16, bayer_rggb16, bayer_bggr16, bayer_gbrg16, bayer_grbg16, 8UC1, '
    '8UC3, 8UC4, uyvy, yuv422, yuyv, yuv422_yuy2, nv12, nv21, nv24'
)


def rvl_that_claims(width: int, height: int) -> bytes:
    return np.array([width, height], '<u4').tobytes() + rvl(DEPTH_MM)[8:]


def rvl_of(code: bytes) -> bytes:
    return rvl(DEPTH_MM)[:8] + code


@pytest.mark.parametrize(
    ('message', 'text'),
    [
        (
            raw('16UC1', DEPTH_MM),
            f"color image: expected one of the encodings {COLOR_ENCODINGS}, got '16UC1'. "
            'Choose another topic, or have its driver publish one of these, or install cv_bridge.',
        ),
        (
            raw('x' * 10**6, RGB),
            f"color image: expected one of the encodings {COLOR_ENCODINGS}, got '{'x' * 60} ...'. "
            'Choose another topic, or have its driver publish one of these, or install cv_bridge.',
        ),
        (
            raw('yuyv', RGB[:, :31, :2]),
            'color image: expected an even width for yuyv, got 31. Check its publisher.',
        ),
        (
            raw('nv12', RGB[:23, :, 0]),
            'color image: expected an even height for nv12, got 23. Check its publisher.',
        ),
        (
            raw('nv12', RGB[..., 0]),
            'color image: expected 1152 bytes (36 rows of 32), got 768. Check its publisher.',
        ),
        (
            raw('rgb8', RGB, step=95),
            'color image: expected a step of at least 96 bytes for 32 pixels of rgb8, got 95. '
            'Check its publisher.',
        ),
        (
            raw('rgb8', RGB, data=b'abc'),
            'color image: expected 2304 bytes (24 rows of 96), got 3. Check its publisher.',
        ),
        (
            raw('rgb8', RGB, data=RGB.tobytes() + b'x'),
            'color image: expected 2304 bytes (24 rows of 96), got 2305. Check its publisher.',
        ),
        (
            raw('rgb8', RGB, height=0, data=b''),
            'color image: expected 1 to 33554432 pixels, got 32x0 (width x height). '
            'Check its publisher.',
        ),
        (
            raw('rgb8', RGB, width=2**32 - 1, height=2**32 - 1, step=2**32 - 1),
            'color image: expected 1 to 33554432 pixels, got 4294967295x4294967295 '
            '(width x height). Check its publisher.',
        ),
        (
            raw('rgb8', RGB, data=[1, 2, 3]),
            'color image: expected its data as contiguous bytes, got list.',
        ),
        (
            compressed('jpeg', b''),
            'compressed color image: expected a JPEG or PNG, got 0 bytes that start with '
            'nothing. Choose the transport that is published.',
        ),
        (
            compressed('jpeg', b'GIF89a'),
            'compressed color image: expected a JPEG or PNG, got 6 bytes that start with '
            '47 49 46 38 39 61. Choose the transport that is published.',
        ),
        (
            compressed('jpeg', encode_jpeg(RGB)[:200]),
            'compressed color image: expected a whole JPEG, got 200 bytes without its end '
            'marker. It was cut on its way.',
        ),
        (
            compressed('jpeg', b'\xff\xd8\xff\xd9'),
            'compressed color image: expected a JPEG with a size in its header, got none up to '
            'byte 2. It was damaged on its way.',
        ),
        (
            compressed('png', encode_png(RGB)[:200]),
            'compressed color image: expected a whole PNG, got one that breaks off at byte 33 '
            'of 200. It was cut on its way.',
        ),
        (
            compressed('png', png_that_claims(65535, 65535)),
            'compressed color image: expected 1 to 33554432 pixels, got 65535x65535 '
            '(width x height). Check its publisher.',
        ),
        (
            compressed('png', png_that_claims(5000, 5000)),
            'compressed color image: expected at least 72674 bytes for 5000x5000 pixels of PNG, '
            'got 69. Its header is damaged.',
        ),
        (
            compressed('png', png_that_claims(0, 5)),
            'compressed color image: expected 1 to 33554432 pixels, got 0x5 (width x height). '
            'Check its publisher.',
        ),
        (
            compressed('png', png_that_claims(50, 50)),
            'compressed color image: expected 50x50 pixels of PNG, got 69 bytes that do not '
            'decode. It was damaged on its way.',
        ),
        (
            compressed('jpeg', jpeg_that_claims(encode_jpeg(RGB), 5000, 5000)),
            'compressed color image: expected at least 48828 bytes for 5000x5000 pixels of JPEG, '
            f'got {len(encode_jpeg(RGB))}. Its header is damaged.',
        ),
        (
            compressed('16UC1; png compressed ', encode_png(DEPTH_MM)),
            "compressed color image: expected the format 'jpeg', 'png' or "
            "'rgb8; jpeg compressed bgr8', got '16UC1; png compressed '. "
            'Choose the topic of a color image.',
        ),
        (
            compressed('mono16; compressedDepth png', encode_compressed_depth(DEPTH_MM)),
            "compressed color image: expected the format 'jpeg', 'png' or "
            "'rgb8; jpeg compressed bgr8', got 'mono16; compressedDepth png'. "
            'Choose the topic of a color image.',
        ),
    ],
)  # fmt: skip
def test_a_color_image_is_refused_with_what_is_wrong(message: SimpleNamespace, text: str) -> None:
    with pytest.raises(FrameError) as error:
        decode_rgb(message)
    assert str(error.value) == text


@pytest.mark.parametrize(
    ('message', 'text'),
    [
        (
            raw('rgb8', RGB),
            "depth image: expected one of the encodings 16UC1, mono16, 32FC1, 64FC1, got 'rgb8'. "
            'Choose another topic, or have its driver publish one of these.',
        ),
        (
            compressed('jpeg', encode_jpeg(RGB)),
            "compressed depth image: expected the format '16UC1; compressedDepth png' or one with "
            "32FC1 or rvl, got 'jpeg'. Choose the topic of a compressedDepth image.",
        ),
        (
            compressed('16UC1; compressedDepth rvl', bytes(19)),
            'compressed depth image: expected 8 bytes of size and an RVL code, got 7 bytes. '
            'It was cut on its way.',
        ),
        (
            compressed('16UC1; compressedDepth rvl', bytes(99)),
            'compressed depth image: expected 1 to 33554432 pixels, got 0x0 (width x height). '
            'Check its publisher.',
        ),
        (
            compressed('16UC1; compressedDepth rvl', depth_data(rvl_that_claims(5000, 5000))),
            'compressed depth image: expected 20318 to 100000004 bytes for 5000x5000 pixels of '
            f'RVL, got {len(rvl(DEPTH_MM)) - 8}. It was damaged or cut on its way.',
        ),
        (
            compressed('16UC1; compressedDepth rvl', depth_data(rvl_that_claims(5, 5))),
            'compressed depth image: expected 4 to 104 bytes for 5x5 pixels of RVL, got '
            f'{len(rvl(DEPTH_MM)) - 8}. It was damaged or cut on its way.',
        ),
        (
            compressed('16UC1; compressedDepth rvl', depth_data(rvl_that_claims(32, 25))),
            'compressed depth image: expected 32x25 pixels of RVL, got a code of '
            f'{len(rvl(DEPTH_MM)) - 8} bytes for another number. '
            'It was damaged or cut on its way.',
        ),
        (
            compressed('16UC1; compressedDepth rvl', depth_data(rvl(DEPTH_MM)[:-4])),
            'compressed depth image: expected 32x24 pixels of RVL, got a code of '
            f'{len(rvl(DEPTH_MM)) - 12} bytes for another number. '
            'It was damaged or cut on its way.',
        ),
        (
            compressed('16UC1; compressedDepth rvl', depth_data(rvl_of(b'\xff' * 8))),
            'compressed depth image: expected 32x24 pixels of RVL, got a code of 8 bytes for '
            'another number. It was damaged or cut on its way.',
        ),
        (
            compressed('16UC1; compressedDepth png', bytes(12)),
            'compressed depth image: expected 12 bytes of header and an image, got 12 bytes. '
            'Check its publisher.',
        ),
        (
            compressed('16UC1; compressedDepth png', depth_data(encode_png(RGB))),
            'compressed depth image: expected a PNG with one channel of 16 bits, got a PNG of '
            '32x24 8-bit color. Choose the right topic or file.',
        ),
        (
            compressed(
                '32FC1; compressedDepth png',
                depth_data(encode_png(DEPTH_MM), np.nan, 1),
            ),
            'compressed depth image: expected A > 0 and a finite B in its header, got nan '
            'and 1.0. It was damaged on its way.',
        ),
    ],
)
def test_a_depth_image_is_refused_with_what_is_wrong(message: SimpleNamespace, text: str) -> None:
    with pytest.raises(FrameError) as error:
        decode_depth(message)
    assert str(error.value) == text


def test_a_png_with_a_flipped_bit_is_refused() -> None:
    data = bytearray(encode_compressed_depth(DEPTH_MM))
    data[len(data) // 2] ^= 1
    with pytest.raises(FrameError, match='got a wrong checksum at byte 33'):
        decode_depth(compressed('16UC1; compressedDepth png', bytes(data)))


@pytest.mark.parametrize(('a', 'b'), [(0, 1), (-1, 1), (2e30, 1), (np.inf, 1), (1, -np.inf)])
def test_quantization_that_no_encoder_makes_is_refused(a: float, b: float) -> None:
    data = depth_data(encode_png(DEPTH_MM), a, b)
    with pytest.raises(FrameError, match='expected A > 0 and a finite B in its header, got'):
        decode_depth(compressed('32FC1; compressedDepth png', data))
