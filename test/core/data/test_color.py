"""Color under another light and camera."""

from __future__ import annotations

import numpy as np
import pytest

from m3l_core.data.color import jitter_color


@pytest.fixture
def picture() -> np.ndarray:
    """A smooth picture of many colors."""
    rows, columns = np.mgrid[:60, :80]
    return np.dstack([rows * 4, columns * 3, 255 - rows * 2 - columns]).astype(np.uint8)


def test_the_picture_is_left_alone(picture: np.ndarray) -> None:
    before = picture.copy()
    for seed in range(20):
        jittered = jitter_color(picture, np.random.default_rng(seed))
        assert (jittered.shape, jittered.dtype) == (picture.shape, np.uint8)
    np.testing.assert_array_equal(picture, before)


def test_light_and_color_vary_widely(picture: np.ndarray) -> None:
    views = [jitter_color(picture, np.random.default_rng(seed)) for seed in range(60)]
    brightness = [view.mean() for view in views]
    assert min(brightness) < 90 < 150 < max(brightness)  # 116 in the picture
    redness = [view[..., 0].mean() - view[..., 2].mean() for view in views]
    assert max(redness) - min(redness) > 60


def test_one_view_in_ten_is_nearly_gray(picture: np.ndarray) -> None:
    views = (jitter_color(picture, np.random.default_rng(seed)) for seed in range(200))
    # A tint stays on a gray picture, so compare how the channels vary, not what they are.
    correlations = [np.corrcoef(view.reshape(-1, 3).T.astype(float)).min() for view in views]
    assert 5 <= sum(value > 0.9 for value in correlations) <= 40


def test_black_and_white_pictures_survive() -> None:
    for level in (0, 255):
        picture = np.full((24, 32, 3), level, np.uint8)
        for seed in range(20):
            assert jitter_color(picture, np.random.default_rng(seed)).shape == picture.shape
