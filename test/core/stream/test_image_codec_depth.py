"""Depth of every encoding becomes meters, 0 where there is no reading."""

from __future__ import annotations

from itertools import product
import warnings

from image_messages import (
    compressed,
    depth_data,
    DEPTH_MM,
    H,
    padded,
    QUANTIZATION,
    quantized,
    raw,
    rvl,
    W,
)  # fmt: skip
import numpy as np
import pytest

from m3l_core.stream.image_codec import decode_depth, encode_compressed_depth, encode_png

ENCODERS = {'png': encode_png, 'rvl': rvl}


@pytest.mark.parametrize('encoding', ['16UC1', 'mono16'])
@pytest.mark.parametrize(('order', 'is_bigendian'), [('<', 0), ('>', 1)])
@pytest.mark.parametrize('padding', [0, 3])
def test_millimeters_become_meters(
    encoding: str, order: str, is_bigendian: int, padding: int
) -> None:
    pixels = DEPTH_MM.astype(f'{order}u2')
    step = 2 * W + padding
    message = raw(
        encoding, pixels, is_bigendian=is_bigendian, step=step, data=padded(pixels, step)
    )
    decoded = decode_depth(message)
    assert decoded.dtype == np.float32
    np.testing.assert_allclose(decoded, DEPTH_MM / 1000, rtol=1e-6)


@pytest.mark.parametrize('encoding', ['32FC1', '64FC1'])
@pytest.mark.parametrize(('order', 'is_bigendian'), [('<', 0), ('>', 1)])
def test_what_is_no_reading_in_float_depth_becomes_0(
    encoding: str, order: str, is_bigendian: int
) -> None:
    depth = np.array([[1.5, np.nan, np.inf, -np.inf, -1, 0]], f'{order}f{int(encoding[:2]) // 8}')
    decoded = decode_depth(raw(encoding, depth, is_bigendian=is_bigendian))
    assert decoded.dtype == np.float32
    assert decoded.tolist() == [[1.5, 0, 0, 0, 0, 0]]


def test_a_depth_beyond_float32_is_no_reading_and_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert decode_depth(raw('64FC1', np.array([[1e300, 2.0]]))).tolist() == [[0, 2]]


@pytest.mark.parametrize(
    'format_name',
    [
        '16UC1; compressedDepth png',
        '16UC1; compressedDepth',
        'mono16;compressedDepth png',
        '16UC1',
    ],
)
def test_compressed_depth_is_decoded_without_loss(format_name: str) -> None:
    decoded = decode_depth(compressed(format_name, encode_compressed_depth(DEPTH_MM)))
    np.testing.assert_array_equal(np.rint(decoded * 1000), DEPTH_MM)


@pytest.mark.parametrize('format_name', ['png', '16UC1; png compressed '])
def test_a_plain_png_of_16_bits_is_depth_too(format_name: str) -> None:
    decoded = decode_depth(compressed(format_name, encode_png(DEPTH_MM)))
    np.testing.assert_array_equal(np.rint(decoded * 1000), DEPTH_MM)


@pytest.mark.parametrize('codec', ENCODERS)
def test_quantized_float_depth_is_restored(codec: str) -> None:
    depth_m = np.linspace(0.5, 9.5, H * W).reshape(H, W)
    depth_m[0] = np.nan
    data = depth_data(ENCODERS[codec](quantized(depth_m)), *QUANTIZATION)
    decoded = decode_depth(compressed(f'32FC1; compressedDepth {codec}', data))
    assert not decoded[0].any()
    np.testing.assert_allclose(decoded[1:], depth_m[1:], rtol=0.01)


def test_quantized_values_at_the_pole_are_no_reading() -> None:
    values = np.array([[5, 6, 4]], np.uint16)  # A / (5 - 5), A / (6 - 5), A / (4 - 5)
    data = depth_data(encode_png(values), 2, 5)
    decoded = decode_depth(compressed('32FC1; compressedDepth png', data))
    assert decoded.tolist() == [[0, 2, 0]]


@pytest.mark.parametrize('a', [1e-30, 9e29])
@pytest.mark.parametrize('b', [-3e38, -1.0, 0.0, 0.99999994, 65534.5, 65535.0, 3e38])
@pytest.mark.filterwarnings('error')
def test_any_quantization_gives_finite_depth(a: float, b: float) -> None:
    values = np.array([[0, 1, 2, 65534, 65535]], np.uint16)
    data = depth_data(encode_png(values), a, b)
    decoded = decode_depth(compressed('32FC1; compressedDepth png', data))
    assert np.isfinite(decoded).all()
    assert (decoded >= 0).all()
    assert not decoded[0, 0]
    assert not decoded[values <= b].any()


# --- RVL --------------------------------------------------------------------------------------


def test_an_rvl_code_is_read_as_the_paper_writes_it() -> None:
    # 3 zeros, 3 others: +5 (zigzag 10: nibbles 2 with more to come, 1), 0, -1; 1 zero, 0 others.
    code = bytes.fromhex('33 A1 01 10')[::-1]
    data = depth_data(np.array([7, 1], '<u4').tobytes() + code)
    decoded = decode_depth(compressed('16UC1; compressedDepth rvl', data))
    np.testing.assert_allclose(decoded, [[0, 0, 0, 0.005, 0.005, 0.004, 0]])


@pytest.mark.parametrize(
    'values',
    [
        DEPTH_MM,
        np.random.default_rng(2).integers(0, 2**16, (7, 9), np.uint16),
        np.array([[0, 65535, 1, 0, 0, 65535, 65535, 0]], np.uint16),
        np.full((3, 5), 65535, np.uint16),
        np.zeros((480, 640), np.uint16),
        np.eye(40, dtype=np.uint16),
        np.array([[1]], np.uint16),
        np.array([[0]], np.uint16),
    ],
    ids=['depth', 'noise', 'extremes', 'far', 'blank', 'lonely', 'one', 'none'],
)
def test_rvl_is_decoded_without_loss(values: np.ndarray) -> None:
    decoded = decode_depth(compressed('16UC1; compressedDepth rvl', depth_data(rvl(values))))
    np.testing.assert_array_equal(np.rint(decoded * 1000), values)


def test_every_pattern_of_few_pixels_survives_rvl() -> None:
    for pixels in (pattern for n in range(1, 7) for pattern in product((0, 1, 9), repeat=n)):
        data = depth_data(rvl(np.array([pixels], np.uint16)))
        decoded = decode_depth(compressed('16UC1; compressedDepth rvl', data))
        assert np.rint(decoded * 1000).tolist() == [list(pixels)]


def test_a_png_is_read_whatever_codec_the_format_names() -> None:
    message = compressed('16UC1; compressedDepth rvl', encode_compressed_depth(DEPTH_MM))
    np.testing.assert_array_equal(np.rint(decode_depth(message) * 1000), DEPTH_MM)
