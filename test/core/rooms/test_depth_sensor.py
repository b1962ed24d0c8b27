from __future__ import annotations

import numpy as np
import pytest

from m3l_core.rooms.depth_sensor import DepthSensor

FOCAL_PX = 280.0
QUIET = DepthSensor(noise_steps=0.0, speckle=0.0)


def measured(depth_m: np.ndarray, sensor: DepthSensor = QUIET, **options: object) -> np.ndarray:
    rng = np.random.default_rng(0)
    return sensor.measure(depth_m.astype(np.float32), focal_px=FOCAL_PX, rng=rng, **options)  # type: ignore[arg-type]


def wall(depth_m: float) -> np.ndarray:
    return np.full((120, 160), depth_m)


def step_at(depth_m: float) -> float:
    """Return the distance between neighboring readings near a depth."""
    ramp = np.tile(np.linspace(depth_m, depth_m * 1.3, 2000), (3, 1))
    return float(np.diff(np.unique(measured(ramp)[1][50:-50])).min())


def test_steps_grow_with_the_square_of_depth() -> None:
    assert step_at(4.0) / step_at(2.0) == pytest.approx(4.0, rel=0.1)


def test_a_wall_two_meters_away_is_measured_within_a_step() -> None:
    seen = measured(wall(2.0))
    assert (seen > 0).mean() == 1
    np.testing.assert_allclose(seen, 2.0, atol=0.016)


@pytest.mark.parametrize(
    ('depth_m', 'seen'), [(0.39, False), (0.45, True), (7.8, True), (8.1, False)]
)
def test_what_is_out_of_range_is_a_hole(depth_m: float, seen: bool) -> None:
    assert (measured(wall(depth_m)) > 0).all() == seen
    assert (measured(wall(depth_m)) > 0).any() == seen


def test_the_projector_leaves_a_shadow_left_of_what_is_near() -> None:
    scene = wall(3.0)
    scene[:, 60:100] = 1.0
    row = measured(scene)[60] > 0
    shadow_px = FOCAL_PX * QUIET.baseline_m * (1 / 1.0 - 1 / 3.0)
    assert not row[60 - int(shadow_px) + 1 : 59].any()
    assert row[: 60 - int(shadow_px) - 3].all()
    assert row[103:].all()


def test_jumps_of_depth_get_ragged_holes() -> None:
    scene = wall(3.0)
    scene[:, 80:] = 3.5  # no shadow: what is near is on the left
    holes = measured(scene) == 0
    assert 0 < holes[:, 77:83].mean() < 1
    assert not holes[:, :76].any()


def test_a_floor_seen_at_a_grazing_angle_is_lost_in_the_distance() -> None:
    rows = np.arange(120)[:, None] - 20.0
    floor = np.where(rows > 2, 1.0 * FOCAL_PX / np.maximum(rows, 1), 30.0) * np.ones((1, 160))
    sensor = DepthSensor(noise_steps=0, speckle=0, grazing=0.2, max_range_m=100)
    seen = measured(floor, sensor) > 0
    assert seen[115].all()
    assert not seen[30].any()


def test_absorbing_surfaces_give_about_half_of_their_readings() -> None:
    seen = measured(wall(2.0), absorbing=np.ones((120, 160), bool)) > 0
    assert 0.25 < seen.mean() < 0.75


def test_noise_is_the_same_for_the_same_generator_state() -> None:
    sensor = DepthSensor()
    np.testing.assert_array_equal(measured(wall(2.0), sensor), measured(wall(2.0), sensor))
