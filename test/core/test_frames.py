from __future__ import annotations

import re

import numpy as np
import pytest

from m3l_core.errors import FrameError
from m3l_core.frames import RgbdFrame

RGB = np.zeros((4, 6, 3), np.uint8)
DEPTH_M = np.ones((2, 3), np.float32)


def test_labels_have_the_size_of_the_color_image_while_there_is_one() -> None:
    assert RgbdFrame(RGB, DEPTH_M).size == (4, 6)
    assert RgbdFrame(None, DEPTH_M).size == (2, 3)


@pytest.mark.parametrize(
    ('rgb', 'depth_m', 'text'),
    [
        (None, None, 'frame: expected a color or a depth image, got neither.'),
        (RGB[..., 0], None, 'rgb: expected (any, any, 3) uint8, got (4, 6) uint8.'),
        (
            RGB,
            DEPTH_M.astype(np.uint16),
            'depth_m: expected (any, any) float32, got (2, 3) uint16.',
        ),
    ],
)
def test_wrong_images_are_refused(
    rgb: np.ndarray | None, depth_m: np.ndarray | None, text: str
) -> None:
    with pytest.raises(FrameError, match=f'^{re.escape(text)}'):
        RgbdFrame(rgb, depth_m)
