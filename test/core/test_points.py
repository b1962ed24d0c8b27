"""Points in space from depth, labels and a pinhole camera."""

from __future__ import annotations

import numpy as np
import pytest

from m3l_core.classes import ClassSet
from m3l_core.errors import FrameError
from m3l_core.points import labeled_points, Pinhole

CLASSES = ClassSet(('floor', 'wall'), ((1, 2, 3), (255, 0, 128)))
CAMERA = Pinhole(fx=2.0, fy=4.0, cx=1.0, cy=0.0, size=(2, 3))


def test_pixel_lies_on_its_ray_at_its_depth() -> None:
    depth_m = np.zeros((2, 3), np.float32)
    depth_m[1, 2] = 8.0
    (point,) = labeled_points(depth_m, np.ones((2, 3), np.uint8), CAMERA, CLASSES)
    # (column 2 - 1) / 2 * 8, (row 1 - 0) / 4 * 8
    assert (point['x'], point['y'], point['z']) == (4.0, 2.0, 8.0)
    assert point['label'] == 1
    assert point['rgb'] == 0xFF0080


def test_only_readings_have_points_in_the_order_of_the_pixels() -> None:
    depth_m = np.array([[1, 0, np.nan], [np.inf, -1, 2]], np.float32)
    points = labeled_points(depth_m, np.zeros((2, 3), np.uint8), CAMERA, CLASSES)
    assert points['z'].tolist() == [1.0, 2.0]
    assert points['rgb'].tolist() == [0x010203] * 2


def test_unlabeled_pixel_keeps_its_point_in_black() -> None:
    labels = np.full((2, 3), 255, np.uint8)
    points = labeled_points(np.ones((2, 3), np.float32), labels, CAMERA, CLASSES)
    assert set(points['label']) == {255}
    assert not points['rgb'].any()


def test_labels_and_camera_of_another_size_show_the_same_view() -> None:
    labels = np.repeat(np.array([[0, 1]], np.uint8), 4, axis=0).repeat(4, axis=1)  # 4x8
    camera = Pinhole(fx=4.0, fy=4.0, cx=3.5, cy=1.5, size=(4, 8))
    points = labeled_points(np.ones((2, 4), np.float32), labels, camera, CLASSES)
    assert points['label'].tolist() == [0, 0, 1, 1] * 2
    # The optical axis is the middle of both images, pixels 1/4 m apart times two.
    assert points['x'][:4].tolist() == [-0.75, -0.25, 0.25, 0.75]
    assert points['y'].tolist() == [-0.25] * 4 + [0.25] * 4


@pytest.mark.parametrize('fx', [0.0, 1e-308, -1.0, float('nan'), float('inf')])
def test_camera_without_a_focal_length_is_refused(fx: float) -> None:
    with pytest.raises(FrameError, match='camera info: expected a size and focal lengths above 0'):
        Pinhole(fx=fx, fy=1.0, cx=0.0, cy=0.0, size=(2, 3))
