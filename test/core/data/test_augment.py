"""Random views: one geometry for all images, chance from the generator alone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from m3l_core.classes import IGNORE
from m3l_core.data.augment import random_view
from m3l_core.data.samples import Sample
from m3l_core.errors import DataError

HEIGHT, WIDTH = 96, 128


@pytest.fixture
def sample() -> Sample:
    """An image whose color, depth and label all tell the same column and row block."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    block = (rows // 32 * 4 + columns // 32).astype(np.uint8)
    rgb = np.repeat((block * 20)[..., None], 3, axis=2)
    return Sample('blocks', rgb, (1000 + 500 * block.astype(np.uint16)), block)


def test_a_view_is_a_function_of_the_seed(sample: Sample) -> None:
    one, same, other = (
        random_view(sample, (48, 64), np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    for first, second in zip(one, same, strict=True):
        np.testing.assert_array_equal(first, second)
    assert not np.array_equal(one.labels, other.labels)


def test_depth_and_labels_move_together(sample: Sample) -> None:
    for seed in range(20):
        view = random_view(sample, (48, 64), np.random.default_rng(seed))
        seen = (view.depth_m > 0) & (view.labels != IGNORE)
        expected = 1 + 0.5 * view.labels[seen]
        # depth noise: 3 % of scale, 20 mm of dither, 0.4 % of z^2 at three sigmas
        wrong = np.abs(view.depth_m[seen] - expected) > 0.03 * expected + 0.03 + 0.02 * expected**2
        assert wrong.mean() < 0.02


def test_padding_is_void_and_has_no_depth(sample: Sample) -> None:
    views = [random_view(sample, (48, 64), np.random.default_rng(seed)) for seed in range(20)]
    assert any((view.labels == IGNORE).any() for view in views)
    for view in views:
        void = cv2.erode((view.labels == IGNORE).astype(np.uint8), np.ones((3, 3)))
        assert not view.depth_m[void > 0].any()  # but for the shift of depth against color


def test_the_frame_of_a_sample_is_never_shown(sample: Sample) -> None:
    sample.labels[:8], sample.labels[-8:], sample.labels[:, :8], sample.labels[:, -8:] = (77,) * 4
    for seed in range(20):
        view = random_view(sample, (48, 64), np.random.default_rng(seed), frame=8)
        assert not (view.labels == 77).any()


@pytest.mark.parametrize('frame', [24, 30])
def test_a_frame_that_leaves_nothing_is_refused_by_the_name_of_the_image(frame: int) -> None:
    flat = np.zeros((48, 64), np.uint8)
    small = Sample('desk', np.zeros((48, 64, 3), np.uint8), flat.astype(np.uint16), flat)
    with pytest.raises(DataError, match=rf'desk: expected .* more than {2 * frame} .* got 48x64'):
        random_view(small, (48, 64), np.random.default_rng(0), frame=frame)


def test_views_have_the_types_the_network_takes(sample: Sample) -> None:
    view = random_view(sample, (48, 64), np.random.default_rng(0))
    assert (view.rgb.shape, view.rgb.dtype) == ((48, 64, 3), np.uint8)
    assert (view.depth_m.shape, view.depth_m.dtype) == ((48, 64), np.float32)
    assert (view.labels.shape, view.labels.dtype) == ((48, 64), np.uint8)


def test_color_and_labels_move_together() -> None:
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[30:80, 20:70] = 1
    rgb = np.repeat((60 + 100 * labels)[..., None], 3, axis=2)
    sample = Sample('square', rgb, np.full(labels.shape, 1500, np.uint16), labels)
    for seed in range(20):
        view = random_view(sample, (48, 64), np.random.default_rng(seed))
        gray, known = cv2.blur(view.rgb.mean(axis=2), (3, 3)), view.labels != IGNORE
        dark, bright = (np.median(gray[view.labels == label]) for label in (0, 1))
        wrong = (gray > (dark + bright) / 2) != (view.labels == 1)
        assert bright > dark
        assert wrong[known].mean() < 0.1  # blurred borders and padding


def test_a_coarse_view_averages_what_it_cannot_show() -> None:
    rgb = np.indices((480, 640)).sum(axis=0) % 2 * np.uint8(255)  # a checkerboard of pixels
    labels = np.zeros(rgb.shape, np.uint8)
    sample = Sample(
        'fine',
        np.repeat(rgb.astype(np.uint8)[..., None], 3, axis=2),
        labels + np.uint16(1),
        labels,
    )
    spreads = []
    for seed in range(20):
        view = random_view(sample, (60, 80), np.random.default_rng(seed))
        spreads.append(view.rgb[cv2.erode((view.labels == 0).view(np.uint8), None) > 0].std())
    assert np.median(spreads) < 12  # noise and JPEG; without averaging about 100
