from __future__ import annotations

from array import array
from random import Random
import struct
from types import SimpleNamespace
from typing import Any, TYPE_CHECKING
import zlib

import cv2
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

if TYPE_CHECKING:
    from numpy.typing import NDArray

H, W = 24, 32
RGB = np.random.default_rng(0).integers(0, 256, (H, W, 3), np.uint8)
DEPTH_MM = np.random.default_rng(1).integers(1, 9000, (H, W), np.uint16)
DEPTH_MM[:4] = 0
SMOOTH = cv2.resize(RGB[::8, ::8], (W, H), interpolation=cv2.INTER_LINEAR)


def raw(encoding: str, pixels: NDArray[Any], **changes: Any) -> SimpleNamespace:
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
    rows = pixels.reshape(pixels.shape[0], -1).view(np.uint8)
    return np.pad(rows, ((0, 0), (0, step - rows.shape[1])), constant_values=7).tobytes()


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack('>I', len(content))
        + kind
        + content
        + struct.pack('>I', zlib.crc32(kind + content))
    )


def png_that_claims(width: int, height: int, bit_depth: int = 8, color: int = 2) -> bytes:
    size = struct.pack('>IIBBBBB', width, height, bit_depth, color, 0, 0, 0)
    chunks = png_chunk(b'IHDR', size) + png_chunk(b'IDAT', zlib.compress(bytes(100)))
    return b'\x89PNG\r\n\x1a\n' + chunks + png_chunk(b'IEND', b'')


# --- color ------------------------------------------------------------------------------------


ALPHA = np.full((H, W, 1), 9, np.uint8)
GRAY = RGB[..., :1]


@pytest.mark.parametrize(
    ('encoding', 'pixels', 'expected'),
    [
        ('rgb8', RGB, RGB),
        ('bgr8', RGB[..., ::-1], RGB),
        ('rgba8', np.concatenate([RGB, ALPHA], 2), RGB),
        ('bgra8', np.concatenate([RGB[..., ::-1], ALPHA], 2), RGB),
        ('mono8', GRAY, np.repeat(GRAY, 3, axis=2)),
    ],
)
@pytest.mark.parametrize('padding', [0, 5])
def test_every_color_encoding_becomes_rgb(
    encoding: str, pixels: NDArray[np.uint8], expected: NDArray[np.uint8], padding: int
) -> None:
    pixels = np.ascontiguousarray(pixels)
    step = pixels.nbytes // H + padding
    message = raw(encoding, pixels, step=step, data=padded(pixels, step))
    decoded = decode_rgb(message)
    np.testing.assert_array_equal(decoded, expected)
    assert decoded.flags.c_contiguous


@pytest.mark.parametrize('kind', [bytes, bytearray, lambda x: array('B', x), memoryview])
def test_data_may_be_any_kind_of_bytes(kind: Any) -> None:
    np.testing.assert_array_equal(decode_rgb(raw('rgb8', RGB, data=kind(RGB.tobytes()))), RGB)


def test_rgb8_is_a_view_of_the_message() -> None:
    data = array('B', RGB.tobytes())
    assert np.shares_memory(decode_rgb(raw('rgb8', RGB, data=data)), np.frombuffer(data, np.uint8))


def test_read_only_data_is_decoded() -> None:
    data = np.frombuffer(RGB[..., ::-1].tobytes(), np.uint8)
    np.testing.assert_array_equal(decode_rgb(raw('bgr8', RGB, data=data)), RGB)


def test_the_last_row_may_lack_its_padding() -> None:
    step = W * 3 + 10
    message = raw('rgb8', RGB, step=step, data=padded(RGB, step)[:-10])
    np.testing.assert_array_equal(decode_rgb(message), RGB)


@pytest.mark.parametrize(
    'format_name', ['png', 'rgb8; png compressed bgr8', 'bgr8; png compressed ']
)
def test_a_compressed_png_is_decoded_without_loss(format_name: str) -> None:
    np.testing.assert_array_equal(decode_rgb(compressed(format_name, encode_png(RGB))), RGB)


@pytest.mark.parametrize('format_name', ['jpeg', 'jpg', 'rgb8; jpeg compressed bgr8', ''])
def test_a_compressed_jpeg_is_decoded_to_rgb(format_name: str) -> None:
    decoded = decode_rgb(compressed(format_name, encode_jpeg(SMOOTH, 98)))
    assert np.abs(decoded.astype(int) - SMOOTH).mean() < 5


def test_a_jpeg_padded_with_zeros_is_decoded() -> None:
    data = encode_jpeg(SMOOTH)
    expected = decode_rgb(compressed('jpeg', data))
    np.testing.assert_array_equal(decode_rgb(compressed('jpeg', data + bytes(999))), expected)


# --- depth ------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(('order', 'is_bigendian'), [('<', 0), ('>', 1)])
def test_what_is_no_reading_in_float_depth_becomes_0(order: str, is_bigendian: int) -> None:
    depth = np.array([[1.5, np.nan, np.inf, -np.inf, -1, 0]], f'{order}f4')
    decoded = decode_depth(raw('32FC1', depth, is_bigendian=is_bigendian))
    assert decoded.tolist() == [[1.5, 0, 0, 0, 0, 0]]


@pytest.mark.parametrize(
    'format_name',
    ['16UC1; compressedDepth png', '16UC1; compressedDepth', 'mono16;compressedDepth png'],
)
def test_compressed_depth_is_decoded_without_loss(format_name: str) -> None:
    decoded = decode_depth(compressed(format_name, encode_compressed_depth(DEPTH_MM)))
    np.testing.assert_array_equal(np.rint(decoded * 1000), DEPTH_MM)


@pytest.mark.parametrize('format_name', ['png', '16UC1; png compressed '])
def test_a_plain_png_of_16_bits_is_depth_too(format_name: str) -> None:
    decoded = decode_depth(compressed(format_name, encode_png(DEPTH_MM)))
    np.testing.assert_array_equal(np.rint(decoded * 1000), DEPTH_MM)


def test_quantized_float_depth_is_restored() -> None:
    # As image_transport quantizes with depth_quantization 100 and depth_max 10.
    a = 100 * 101
    b = 1 - a / 10
    depth_m = np.linspace(0.5, 9.5, H * W).reshape(H, W)
    values = np.floor(a / depth_m + b).astype(np.uint16)
    values[0] = 0
    data = struct.pack('<iff', 0, a, b) + encode_png(values)
    decoded = decode_depth(compressed('32FC1; compressedDepth png', data))
    assert not decoded[0].any()
    np.testing.assert_allclose(decoded[1:], depth_m[1:], rtol=0.01)


def test_quantized_values_at_the_pole_are_no_reading() -> None:
    values = np.array([[5, 6, 4]], np.uint16)  # A / (5 - 5), A / (6 - 5), A / (4 - 5)
    data = struct.pack('<iff', 0, 2, 5) + encode_png(values)
    decoded = decode_depth(compressed('32FC1; compressedDepth png', data))
    assert decoded.tolist() == [[0, 2, 0]]


# --- refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('message', 'text'),
    [
        (
            raw('bayer_rggb8', GRAY),
            "color image: expected one of the encodings rgb8, bgr8, rgba8, bgra8, mono8, got "
            "'bayer_rggb8'. Choose another topic, or have its driver publish one of these.",
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
            compressed('bayer_rggb8; jpeg compressed ', encode_jpeg(RGB)),
            "compressed color image: expected the format 'jpeg', 'png' or "
            "'rgb8; jpeg compressed bgr8', got 'bayer_rggb8; jpeg compressed '. "
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
            "depth image: expected one of the encodings 16UC1, mono16, 32FC1, got 'rgb8'. "
            'Choose another topic, or have its driver publish one of these.',
        ),
        (
            compressed('jpeg', encode_jpeg(RGB)),
            "compressed depth image: expected the format '16UC1; compressedDepth png' or "
            "'32FC1; compressedDepth png', got 'jpeg'. Choose the topic of a compressedDepth "
            'image.',
        ),
        (
            compressed('16UC1; compressedDepth rvl', bytes(99)),
            "compressed depth image: expected the codec PNG, got 'rvl'. Set the publisher's "
            'parameter compressedDepth.format to png.',
        ),
        (
            compressed('16UC1; compressedDepth png', bytes(12)),
            'compressed depth image: expected 12 bytes of header and a PNG, got 12 bytes. '
            'Check its publisher.',
        ),
        (
            compressed('16UC1; compressedDepth png', bytes(12) + encode_png(RGB)),
            'compressed depth image: expected a PNG with one channel of 16 bits, got a PNG of '
            '32x24 8-bit color. Choose the right topic or file.',
        ),
        (
            compressed(
                '32FC1; compressedDepth png',
                struct.pack('<iff', 0, np.nan, 1) + encode_png(DEPTH_MM),
            ),
            'compressed depth image: expected finite A and B in its header, got nan and 1.0. '
            'It was damaged on its way.',
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


# --- whatever a message contains --------------------------------------------------------------


def mutated(data: bytes, random: Random) -> bytes:
    """Flip, cut, repeat or replace a part, mostly near the start where headers are."""
    result = bytearray(data)
    for _ in range(random.randint(1, 4)):
        end = 64 if random.random() < 0.6 else max(1, len(result))
        position = random.randrange(min(end, max(1, len(result))))
        action = random.randrange(4)
        if action == 0 and result:
            result[position % len(result)] ^= 1 << random.randrange(8)
        elif action == 1:
            result[position : position + 4] = random.randbytes(4)
        elif action == 2:
            del result[position : position + random.randrange(1, 64)]
        else:
            result[position:position] = random.randbytes(random.randrange(1, 16))
    return bytes(result)


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


ENCODED = {
    'jpeg': (decode_rgb, 'jpeg', encode_jpeg(SMOOTH)),
    'png': (decode_rgb, 'png', encode_png(SMOOTH)),
    'depth': (decode_depth, '16UC1; compressedDepth png', encode_compressed_depth(DEPTH_MM)),
    'float': (decode_depth, '32FC1; compressedDepth', encode_compressed_depth(DEPTH_MM)),
}


@pytest.mark.parametrize('name', ENCODED)
@pytest.mark.usefixtures('capfd')  # libjpeg and libpng write to standard error themselves.
def test_damaged_images_decode_or_are_refused_and_stay_small(name: str) -> None:
    decode, format_name, data = ENCODED[name]
    random = Random(name)
    refused = 0
    for number in range(1500):
        damaged = mutated(data, random)
        if number % 2:
            damaged = with_checksums(damaged)
        try:
            pixels = decode(compressed(format_name, damaged))
        except FrameError:
            refused += 1
        else:
            assert pixels.shape[0] * pixels.shape[1] <= 1032 * len(damaged)
    assert refused > 100


def test_raw_images_that_lie_decode_or_are_refused() -> None:
    random = Random(0)
    numbers = (0, 1, 2, 24, 32, 64, 96, 97, 128, 2**16, 2**31, 2**32 - 1)
    encodings = ('rgb8', 'bgr8', 'rgba8', 'mono8', '16UC1', '32FC1', '8UC3', '', 'RGB8')
    decoded = 0
    for _ in range(4000):
        message = SimpleNamespace(
            encoding=random.choice(encodings),
            height=random.choice(numbers),
            width=random.choice(numbers),
            step=random.choice(numbers),
            is_bigendian=random.choice((0, 1, 255)),
            data=random.randbytes(random.choice((0, 1, 96, 97, 24 * 96, 24 * 128, 32 * 128))),
        )
        try:
            pixels = random.choice((decode_rgb, decode_depth))(message)
        except FrameError:
            continue
        decoded += 1
        assert pixels.shape[:2] == (message.height, message.width)
    assert decoded > 10
