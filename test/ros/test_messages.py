"""Values as messages."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, RegionOfInterest
from std_msgs.msg import Header

from m3l_core.errors import FrameError
from m3l_core.points import Pinhole, POINT
from m3l_perception import messages
from m3l_perception.compat import label_info_type

HEADER = Header(frame_id='camera')


def calibration() -> CameraInfo:
    info = CameraInfo(height=4, width=8)
    info.k = [8.0, 0.0, 3.5, 0.0, 6.0, 1.5, 0.0, 0.0, 1.0]
    info.p = [8.0, 0.0, 3.5, 16.0, 0.0, 6.0, 1.5, 0.0, 0.0, 0.0, 1.0, 0.0]
    return info


def test_calibration_of_half_the_size_shows_the_same_view() -> None:
    original = calibration()
    half = messages.camera_info(original, HEADER, (2, 4))
    assert (half.height, half.width, half.header.frame_id) == (2, 4, 'camera')
    # The middle of the image stays the middle: 3.5 of 8 columns is 1.5 of 4.
    assert list(half.k) == [4.0, 0.0, 1.5, 0.0, 3.0, 0.5, 0.0, 0.0, 1.0]
    assert list(half.p) == [4.0, 0.0, 1.5, 8.0, 0.0, 3.0, 0.5, 0.0, 0.0, 0.0, 1.0, 0.0]
    assert (original.height, original.k[0]) == (4, 8.0)


def test_pinhole_is_that_of_the_rectified_image_if_it_is_told() -> None:
    info = calibration()
    info.p[0] = 9.0
    assert messages.pinhole(info, (4, 8)).fx == 9.0
    info.p[0] = 0.0
    assert messages.pinhole(info, (4, 8)).fx == 8.0


def part_of_a_sensor() -> CameraInfo:
    """Return the calibration of a sensor of 8x4 pixels, of which the right half is published."""
    info = calibration()
    info.roi = RegionOfInterest(x_offset=4, y_offset=2, width=4, height=2)
    return info


def test_offset_of_cropped_images_is_taken_from_the_principal_point() -> None:
    camera = messages.pinhole(part_of_a_sensor(), (2, 4))
    assert camera == Pinhole(fx=8.0, fy=6.0, cx=-0.5, cy=-0.5, size=(2, 4))


def test_binning_divides_what_the_offset_left() -> None:
    info = part_of_a_sensor()
    info.binning_x, info.binning_y = 4, 2
    camera = messages.pinhole(info, (1, 1))
    assert camera == Pinhole(fx=2.0, fy=3.0, cx=-0.125, cy=-0.25, size=(1, 1))
    info.roi = RegionOfInterest()  # all of the sensor
    camera = messages.pinhole(info, (2, 2))
    assert camera == Pinhole(fx=2.0, fy=3.0, cx=0.875, cy=0.75, size=(2, 2))


def test_calibration_of_the_cropped_images_themselves_holds_as_it_is() -> None:
    info = part_of_a_sensor()
    assert messages.pinhole(info, (4, 8)).cx == 3.5  # the images have all of its pixels
    info.height, info.width = 2, 4  # the region lies outside of what is calibrated
    assert messages.pinhole(info, (4, 8)).cx == 3.5


def test_resized_view_of_cropped_images_is_no_longer_told_to_be_cropped() -> None:
    half = messages.camera_info(part_of_a_sensor(), HEADER, (1, 2))
    assert (half.height, half.width, half.roi) == (1, 2, RegionOfInterest())
    assert list(half.k) == [4.0, 0.0, -0.5, 0.0, 3.0, -0.5, 0.0, 0.0, 1.0]
    assert list(half.p) == [4.0, 0.0, -0.5, 8.0, 0.0, 3.0, -0.5, 0.0, 0.0, 0.0, 1.0, 0.0]


def test_calibration_that_was_never_made_is_refused() -> None:
    with pytest.raises(FrameError, match='camera info: expected a size and focal lengths above 0'):
        messages.pinhole(CameraInfo(height=4, width=8), (4, 8))


def test_cloud_holds_the_bytes_of_the_points() -> None:
    points = np.zeros(3, POINT)
    points['label'] = [0, 7, 255]
    cloud = messages.point_cloud(points, HEADER)
    assert (cloud.height, cloud.width, cloud.point_step, cloud.row_step) == (1, 3, 20, 60)
    label = next(field for field in cloud.fields if field.name == 'label')
    raw = np.asarray(cloud.data, np.uint8).reshape(3, 20)[:, label.offset : label.offset + 4]
    assert raw.copy().view('<u4').ravel().tolist() == [0, 7, 255]


@pytest.mark.skipif(find_spec('sensor_msgs_py') is None, reason='sensor_msgs_py is not installed')
def test_cloud_reads_with_sensor_msgs_py() -> None:
    from sensor_msgs_py.point_cloud2 import read_points

    points = np.zeros(3, POINT)
    points['x'], points['z'], points['label'] = [0.5, -1, 2], [1, 2, 3.5], [0, 7, 255]
    read = read_points(messages.point_cloud(points, HEADER))
    for name in POINT.names or ():
        np.testing.assert_array_equal(read[name], points[name])


def test_cloud_may_be_empty() -> None:
    assert messages.point_cloud(np.empty(0, POINT), HEADER).width == 0


@dataclass
class VisionClass:
    class_id: int
    class_name: str


@dataclass
class LabelInfo:
    header: Any
    threshold: float
    class_map: list[Any] = field(default_factory=list)


def test_label_info_maps_every_id_to_its_class(monkeypatch: pytest.MonkeyPatch) -> None:
    package, module = ModuleType('vision_msgs'), ModuleType('vision_msgs.msg')
    module.__dict__.update(LabelInfo=LabelInfo, VisionClass=VisionClass)
    monkeypatch.setitem(sys.modules, 'vision_msgs', package)
    monkeypatch.setitem(sys.modules, 'vision_msgs.msg', module)
    monkeypatch.setattr(LabelInfo, '__module__', 'vision_msgs.msg._label_info')
    message = messages.label_info(label_info_type(), HEADER, ('bed', 'books'), 0.25)
    assert message.threshold == 0.25
    assert message.class_map == [VisionClass(0, 'bed'), VisionClass(1, 'books')]


@pytest.mark.skipif(find_spec('vision_msgs') is not None, reason='vision_msgs is installed')
def test_label_info_has_no_type_without_vision_msgs() -> None:
    assert label_info_type() is None
