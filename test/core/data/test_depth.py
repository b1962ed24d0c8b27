"""Depth as other sensors would have given it."""

from __future__ import annotations

import numpy as np
import pytest

from m3l_core.data.depth import degrade_depth, projector_shadow
from m3l_core.data.noise import coarse, normal, uniform

SHAPE = (60, 80)


def degraded(depth_m: np.ndarray, count: int = 60, **options: float | bool) -> list[np.ndarray]:
    return [degrade_depth(depth_m, np.random.default_rng(s), **options) for s in range(count)]


@pytest.fixture
def step() -> np.ndarray:
    """Something 1 m away, right of column 40, before a wall at 4 m."""
    depth_m = np.full(SHAPE, 4, np.float32)
    depth_m[:, 40:] = 1
    return depth_m


def test_the_depth_given_is_left_alone(step: np.ndarray) -> None:
    before = step.copy()
    degraded(step)
    np.testing.assert_array_equal(step, before)


def test_holes_stay_holes_and_new_ones_come(step: np.ndarray) -> None:
    step[:5] = 0
    images = degraded(step)
    assert all(not image[:5].any() for image in images)
    assert any((image[5:] == 0).any() for image in images)
    assert all(np.isfinite(image).all() and image.dtype == np.float32 for image in images)


def test_the_steps_of_clean_depth_are_filled() -> None:
    levels = np.tile(np.arange(1, 3, 0.04, dtype=np.float32), (40, 1))
    for image in degraded(levels, 10):
        seen = image[image > 0]
        inside = np.abs(np.mod(seen, 0.04) - 0.02)
        assert np.histogram(inside, bins=4, range=(0, 0.02))[0].min() > 0.15 * seen.size


def test_depth_of_a_sensor_is_at_times_only_scaled_and_loses_less() -> None:
    depth_m = np.full(SHAPE, 2.3, np.float32)  # nearer than any end of the range
    depth_m[20:40, 40:] = 1.3
    clean, sensor = degraded(depth_m), degraded(depth_m, clean=False)
    assert any(len(np.unique(image)) == 2 for image in sensor)
    assert all(len(np.unique(image)) > 2 for image in clean)
    lost_clean, lost_sensor = (np.mean([image == 0 for image in each]) for each in (clean, sensor))
    assert lost_sensor < 0.8 * lost_clean


def test_noise_grows_with_the_square_of_depth() -> None:
    depth_m = np.repeat(np.float32([[1.25], [2.2]]), 4000, axis=1)
    spreads = np.array(
        [
            [np.std(row[row > 0]) if (row > 0).any() else np.nan for row in image]
            for image in degraded(depth_m, clean=False)
        ]
    )
    noisy = spreads[spreads[:, 0] > 1e-4]
    assert len(noisy) > 5
    np.testing.assert_allclose(noisy[:, 1] / noisy[:, 0], (2.2 / 1.25) ** 2, rtol=0.15)


def test_a_shadow_lies_on_one_side_and_is_as_wide_as_the_disparity(step: np.ndarray) -> None:
    # 100 px * 0.1 m * (1/1 m - 1/4 m) = 7.5 px left of the nearer thing, less 0.75 px of margin
    shadow = projector_shadow(step, focal_px=100, baseline_m=0.1)
    assert shadow[30].nonzero()[0].tolist() == list(range(34, 40))
    assert not projector_shadow(step[:, ::-1], focal_px=100, baseline_m=0.1).any()


def test_a_wall_and_a_floor_cast_no_shadow_on_themselves() -> None:
    rows = np.arange(1, 61, dtype=np.float32)[:, None]
    floor = np.repeat(60 / rows, 80, axis=1)
    assert not projector_shadow(floor, focal_px=72, baseline_m=0.1).any()


def test_surfaces_seen_at_a_grazing_angle_are_lost_more_often() -> None:
    # ln(5) over 80 px at a focal length of 400 px: a slope of 8, or 83 degrees
    steep = np.tile(np.geomspace(1, 5, 80).astype(np.float32), (60, 1))
    wall = np.full(SHAPE, 2.2, np.float32)
    lost = [
        np.mean([image == 0 for image in degraded(depth_m, 200, focal_px=400, clean=False)])
        for depth_m in (steep, wall)
    ]
    assert lost[0] > lost[1] + 0.05


def test_noise_is_read_only_and_a_function_of_the_generator() -> None:
    for draw in (normal, uniform):
        one, same = (draw((30, 40), np.random.default_rng(5)) for _ in range(2))
        np.testing.assert_array_equal(one, same)
        assert not np.array_equal(one, draw((30, 40), np.random.default_rng(6)))
        assert not one.flags.writeable


def test_noise_is_distributed_as_its_name_says() -> None:
    bell = normal((400, 500), np.random.default_rng(0))
    assert abs(bell.mean()) < 0.02
    assert abs(bell.std() - 1) < 0.02
    flat = uniform((400, 500), np.random.default_rng(0))
    assert 0 <= flat.min() < 0.001 < 0.999 < flat.max() < 1
    assert coarse((40, 50), 10, np.random.default_rng(0)).shape == (40, 50)


def test_an_image_larger_than_what_is_kept_gets_noise_too() -> None:
    assert normal((1200, 1600, 3), np.random.default_rng(0)).shape == (1200, 1600, 3)
