"""Messages become one frame; what cannot be used is left out and named."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import cv2
from image_messages import compressed, DEPTH_MM, H, raw, RGB, W
import numpy as np
import pytest

from m3l_core.errors import FrameError
from m3l_core.stream.decoding import decode

COLOR_FRAME = 'camera_color_optical_frame'


def header(sec: int = 7, nanosec: int = 5, frame_id: str = COLOR_FRAME) -> SimpleNamespace:
    return SimpleNamespace(stamp=SimpleNamespace(sec=sec, nanosec=nanosec), frame_id=frame_id)


def color(**changes: Any) -> SimpleNamespace:
    return raw('rgb8', RGB, **{'header': header(), **changes})


def depth(pixels: np.ndarray = DEPTH_MM, **changes: Any) -> SimpleNamespace:
    return raw('16UC1', pixels, **{'header': header(8), **changes})


def test_two_messages_become_one_frame_with_the_header_of_color() -> None:
    rgb = color()
    decoded = decode(rgb, depth())
    assert decoded.header is rgb.header
    assert decoded.frame.stamp_ns == 7_000_000_005
    assert decoded.frame.frame_id == COLOR_FRAME
    np.testing.assert_array_equal(decoded.frame.rgb, RGB)
    np.testing.assert_array_equal(np.rint(decoded.frame.depth_m * 1000), DEPTH_MM)
    assert decoded.problems == decoded.doubts == ()


def test_a_damaged_image_counts_as_missing_and_is_named() -> None:
    decoded = decode(color(data=b''), depth())
    assert decoded.frame.rgb is None
    assert decoded.frame.stamp_ns == 8_000_000_005
    assert decoded.problems == (
        'color image: expected 2304 bytes (24 rows of 96), got 0. Check its publisher.',
    )


def test_two_damaged_images_are_both_named() -> None:
    with pytest.raises(FrameError) as error:
        decode(color(width=0), SimpleNamespace(**vars(compressed('jpeg', b'')), header=header()))
    assert 'color image: expected 1 to' in str(error.value)
    assert 'compressed depth image: expected the format' in str(error.value)


@pytest.mark.parametrize(
    ('sec', 'nanosec'), [(-(2**31), 0), (2**31 - 1, 2**32 - 1), (0, 0), (-1, 2**32 - 1)]
)
def test_the_strangest_stamps_a_message_can_hold_are_kept(sec: int, nanosec: int) -> None:
    decoded = decode(color(header=header(sec, nanosec)), None)
    assert decoded.frame.stamp_ns == sec * 10**9 + nanosec


def test_an_encoding_not_known_here_is_left_to_the_other_decoder() -> None:
    decoded = decode(color(encoding='yuv444'), None, lambda _: RGB)
    assert decoded.frame.rgb is RGB


def test_what_the_other_decoder_gives_must_be_an_rgb_image_of_that_size() -> None:
    with pytest.raises(FrameError, match=r'expected \(24, 32, 3\) uint8, got \(24, 32\) uint8'):
        decode(color(encoding='yuv444'), None, lambda _: RGB[..., 0])


def test_depth_of_another_frame_is_doubted() -> None:
    decoded = decode(color(), depth(header=header(frame_id='depth_frame')))
    assert decoded.doubts == (
        "depth image: expected the frame_id 'camera_color_optical_frame' of the color image, got "
        "'depth_frame'. Choose the topic of depth that is registered to color.",
    )


@pytest.mark.parametrize(
    ('width', 'height', 'remedy'),
    [
        (W // 2, H // 2, 'The nearest readings are taken.'),
        (
            W,
            H * 3 // 4,
            'Their shapes differ, so their views do. Choose depth that is registered to color.',
        ),
    ],
)
def test_depth_of_another_size_is_doubted(width: int, height: int, remedy: str) -> None:
    small = cv2.resize(DEPTH_MM, (width, height), interpolation=cv2.INTER_NEAREST)
    assert decode(color(), depth(small)).doubts == (
        'depth image: expected 32x24 pixels as the color image has, '
        f'got {width}x{height}. {remedy}',
    )


def test_depth_alone_is_not_doubted() -> None:
    assert decode(None, depth(header=header(frame_id='depth_frame'))).doubts == ()
    assert decode(color(data=b''), depth(header=header(frame_id='depth_frame'))).doubts == ()
