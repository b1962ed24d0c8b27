"""Which calibration belongs to an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node_harness import calibration, FRAME_ID, RGB_SIZE, wait_until
import pytest
import rclpy
from sensor_msgs.msg import CameraInfo

from m3l_core.stream import StreamConfig
from m3l_perception.inbox import Inbox
from m3l_perception.inputs import Inputs
from m3l_perception.parameters import NodeConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rclpy.node import Node


@pytest.fixture
def node() -> Iterator[Node]:
    node = rclpy.create_node('listener')
    yield node
    node.destroy_node()


@pytest.fixture
def inputs(node: Node) -> Iterator[Inputs]:
    inbox = Inbox(
        StreamConfig(), clock=lambda: 0, is_simulated=lambda: False, on_transition=lambda _: None
    )
    inputs = Inputs(node, NodeConfig(), inbox)
    yield inputs
    inputs.destroy()


@pytest.fixture
def calibrated(node: Node, inputs: Inputs) -> Inputs:
    """The inputs, once the color camera has told its calibration."""
    camera = node.create_publisher(CameraInfo, 'rgb/camera_info', 1)

    def has_come() -> bool:
        camera.publish(calibration(RGB_SIZE, FRAME_ID))
        rclpy.spin_once(node, timeout_sec=0.05)
        return inputs.calibration(FRAME_ID, is_fallback=False)[0] is not None

    wait_until(has_come, 'calibration')
    return inputs


def test_calibration_that_has_not_come_is_told_with_its_topic(inputs: Inputs) -> None:
    assert inputs.calibration(FRAME_ID, is_fallback=True) == (
        None,
        'no CameraInfo has come on /depth/camera_info_fallback. Remap depth/camera_info_fallback.',
    )


def test_image_whose_driver_names_no_frame_has_the_calibration_of_its_topic(
    calibrated: Inputs,
) -> None:
    info, why_none = calibrated.calibration('', is_fallback=False)
    assert info is not None
    assert info.header.frame_id == FRAME_ID
    assert why_none == ''


def test_image_of_another_camera_has_none(calibrated: Inputs) -> None:
    info, why_none = calibrated.calibration('depth_frame', is_fallback=False)
    assert info is None
    assert why_none == (
        f"expected the CameraInfo of 'depth_frame', got that of '{FRAME_ID}' on /rgb/camera_info. "
        'Remap rgb/camera_info, or choose the topic of depth that is registered to color.'
    )
