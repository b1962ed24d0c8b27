"""Fixed degradations: the same image always loses the same, about as much as a real camera."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
import pytest

from m3l_core.data.degrade import degraded, SENSORS
from m3l_core.data.opening import open_samples


def room() -> NDArray[np.float32]:
    """Return a wall at 3 m with a box at 1.5 m before it and a stripe without reading."""
    depth_m = np.full((240, 320), 3, np.float32)
    depth_m[80:200, 100:180] = 1.5
    depth_m[:, :4] = 0
    return depth_m


@pytest.mark.parametrize('sensor', SENSORS)
def test_chance_follows_from_the_name_alone(sensor: str) -> None:
    one, again, other = (degraded(room(), sensor, name) for name in ('1', '1', '2'))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    assert one.dtype == np.float32
    assert one.shape == (240, 320)
    assert np.isfinite(one).all()
    assert one.min() >= 0


@pytest.mark.parametrize('name', [str(i) for i in range(8)])
def test_holes_take_fifteen_to_twenty_five_percent(name: str) -> None:
    depth_m = degraded(room(), 'holes', name)
    assert 0.15 <= (depth_m == 0).mean() <= 0.25
    kept = depth_m > 0
    np.testing.assert_array_equal(depth_m[kept], room()[kept])


def test_the_shadow_lies_beside_the_nearer_thing() -> None:
    lost = np.mean([degraded(room(), 'holes', str(i)) == 0 for i in range(8)], axis=0)
    assert lost[90:190, 97:100].mean() > 0.95  # the wall, left of the box
    assert lost[90:190, 120:160].mean() < 0.5


def test_noise_grows_with_the_square_of_the_distance() -> None:
    true = np.repeat(np.array([1, 4], np.float32), 50_000)[None]
    noise = degraded(true, 'noise', 'a') - true
    near, far = noise[0, :50_000].std(), noise[0, 50_000:].std()
    assert near == pytest.approx(0.0015, rel=0.05)
    assert far == pytest.approx(16 * 0.0015, rel=0.02)


def test_noise_keeps_holes_and_gives_whole_millimeters() -> None:
    depth_m = degraded(room(), 'noise', 'a')
    np.testing.assert_array_equal(depth_m == 0, room() == 0)
    np.testing.assert_allclose(1000 * depth_m, np.rint(1000 * depth_m), atol=1e-3)


@pytest.mark.parametrize('name', [str(i) for i in range(8)])
def test_shift_moves_three_of_640_pixels(name: str) -> None:
    depth_m = np.zeros((480, 640), np.float32)
    depth_m[200, 300] = 2
    ((row, column),) = np.argwhere(degraded(depth_m, 'shift', name))
    assert 2.5 <= np.hypot(row - 200, column - 300) <= 3.6


def test_real_images_lose_about_as_much(data_folder: Path) -> None:
    samples = open_samples(data_folder / 'nyuv2', 'val')
    shares = [
        (degraded(samples[i].depth_m, 'sensor', samples[i].name) == 0).mean()
        for i in range(0, 120, 20)
    ]
    assert 0.15 <= np.mean(shares) <= 0.26
