"""Whatever a message contains, it is decoded or refused, and stays as small as its bytes."""

from __future__ import annotations

from copy import copy
from random import Random

from image_messages import (
    compressed,
    depth_data,
    DEPTH_MM,
    H,
    QUANTIZATION,
    raw,
    RGB,
    rvl,
    SMOOTH,
    W,
    with_checksums,
)
import numpy as np
import pytest

from m3l_core.errors import FrameError
from m3l_core.stream.image_codec import decode_depth, decode_rgb, encode_jpeg, encode_png

ROUNDS = 1200
"""For each of nine kinds of messages: 10,800 decodings in all."""

DEPTH_PNG, DEPTH_RVL = encode_png(DEPTH_MM), rvl(DEPTH_MM)
SAMPLES = {
    'jpeg': (decode_rgb, 'rgb8; jpeg compressed bgr8', encode_jpeg(SMOOTH)),
    'png': (decode_rgb, 'png', encode_png(SMOOTH)),
    'mosaic': (decode_rgb, 'bayer_rggb16; png compressed ', DEPTH_PNG),
    'depth png': (decode_depth, '16UC1; compressedDepth png', depth_data(DEPTH_PNG)),
    'depth rvl': (decode_depth, '16UC1; compressedDepth rvl', depth_data(DEPTH_RVL)),
    'float png': (decode_depth, '32FC1; compressedDepth', depth_data(DEPTH_PNG, *QUANTIZATION)),
    'float rvl': (
        decode_depth, '32FC1; compressedDepth rvl', depth_data(DEPTH_RVL, *QUANTIZATION)
    ),
}  # fmt: skip
FORMATS = [format_name for _, format_name, _ in SAMPLES.values()] + ['', ';', '\ud800', '16UC1']

RAW = {
    'color': (
        decode_rgb,
        ('rgb8', 'bgra8', 'mono8', 'rgb16', 'bayer_gbrg16', 'yuyv', 'nv12', 'nv24'),
    ),
    'depth': (decode_depth, ('16UC1', 'mono16', '32FC1', '64FC1')),
}
NUMBERS = (0, 1, 2, 3, H, W, 2 * W, 3 * W, 2**16, 2**31, 2**32 - 1)


def damaged(data: bytes, random: Random) -> bytes:
    """Flip, replace, cut or insert bytes, mostly near the start where headers are."""
    result = bytearray(data)
    for _ in range(random.randint(1, 4)):
        position = random_place(result, random)
        action = random.randrange(4)
        if action == 0:
            result = bytearray(altered(bytes(result), random))
        elif action == 1:
            del result[position : position + random.randrange(1, 64)]
        elif action == 2:
            result[position:position] = random.randbytes(random.randrange(1, 16))
        elif random.random() < 0.2:
            del result[position:]
    return bytes(result)


def altered(data: bytes, random: Random) -> bytes:
    """Flip a bit or replace four bytes; in a PNG the checksums are right nevertheless."""
    result = bytearray(data)
    position = random_place(data, random)
    new = random.randbytes(4) if random.random() < 0.5 else bytes([1 << random.randrange(8)])
    for index, byte in enumerate(new[: len(data) - position], start=position):
        result[index] ^= byte
    return with_checksums(bytes(result))


def random_place(data: bytes | bytearray, random: Random) -> int:
    return random.randrange(min(64 if random.random() < 0.5 else len(data), len(data)) + 1)


@pytest.mark.parametrize('kind', SAMPLES)
@pytest.mark.filterwarnings('error')
@pytest.mark.usefixtures('capfd')  # libjpeg and libpng write to standard error themselves.
def test_damaged_compressed_images_are_decoded_or_refused(kind: str) -> None:
    decode, format_name, data = SAMPLES[kind]
    random = Random(kind)
    decoded = 0
    for number in range(ROUNDS):
        bytes_now = altered(data, random) if number % 2 else damaged(data, random)
        format_now = random.choice(FORMATS) if random.random() < 0.05 else format_name
        try:
            pixels = decode(compressed(format_now, bytes_now))
        except FrameError:
            continue
        decoded += 1
        assert pixels.shape[0] * pixels.shape[1] <= max(2**22, 1032 * len(bytes_now))
    assert 10 < decoded < ROUNDS - 100


@pytest.mark.parametrize('kind', RAW)
@pytest.mark.filterwarnings('error')
def test_raw_images_that_lie_are_decoded_or_refused(kind: str) -> None:
    decode, encodings = RAW[kind]
    random = Random(kind)
    decoded = 0
    for _ in range(ROUNDS):
        message = raw(random.choice(encodings), RGB, data=random.randbytes(3 * H * W))
        message.step = random.choice((message.step, message.width, message.width * 2))
        for _ in range(random.randint(1, 2)):
            change_a_field(message, encodings, random)
        try:
            pixels = decode(copy(message))
        except FrameError:
            continue
        decoded += 1
        assert pixels.shape[:2] == (message.height, message.width)
    assert 10 < decoded < ROUNDS - 100


def change_a_field(message: object, encodings: tuple[str, ...], random: Random) -> None:
    name = random.choice(('height', 'width', 'step', 'encoding', 'is_bigendian', 'data'))
    value: object = random.choice(NUMBERS)
    if name == 'encoding':
        value = random.choice((*encodings, '8UC3', '', 'RGB8', '\x00'))
    elif name == 'is_bigendian':
        value = random.choice((0, 1, 255))
    elif name == 'data':
        size = random.choice((0, 1, H * W, 2 * H * W, H * W * 3 // 2, 3 * H * W - 1))
        value = random.randbytes(size)
    setattr(message, name, value)


@pytest.mark.parametrize('size', [0, 1, 11, 12, 13, 19, 20, 21, 24, 100, 5000])
def test_random_bytes_are_no_compressed_image(size: int) -> None:
    data = np.random.default_rng(size).bytes(size)
    for decode, format_name, _ in SAMPLES.values():
        with pytest.raises(FrameError):
            decode(compressed(format_name, data))


@pytest.mark.parametrize('kind', SAMPLES)
def test_an_image_cut_anywhere_is_refused(kind: str) -> None:
    decode, format_name, data = SAMPLES[kind]
    for size in range(0, len(data) - 4, 7):
        with pytest.raises(FrameError):
            decode(compressed(format_name, data[:size]))
