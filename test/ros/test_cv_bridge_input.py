"""What is not decoded here goes to cv_bridge, where there is one."""

from __future__ import annotations

from importlib.util import find_spec
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from sensor_msgs.msg import Image

from m3l_core.errors import FrameError
from m3l_core.stream.decoding import decode
from m3l_perception.cv_bridge_input import cv_bridge_decoder

needs_cv_bridge = pytest.mark.skipif(
    find_spec('cv_bridge') is None, reason='cv_bridge is not installed'
)


def image(encoding: str) -> Image:
    message = Image(encoding=encoding, height=2, width=4, step=12)
    message.data = bytes(range(24))
    return message


@pytest.mark.skipif(find_spec('cv_bridge') is not None, reason='cv_bridge is installed')
def test_without_cv_bridge_there_is_no_decoder_and_the_error_names_it() -> None:
    assert cv_bridge_decoder() is None
    with pytest.raises(FrameError, match=r"got '8SC3'\. .*, or install cv_bridge\.$"):
        decode(image('8SC3'), None, cv_bridge_decoder())


@needs_cv_bridge
def test_what_cv_bridge_refuses_is_refused_in_one_line() -> None:
    with pytest.raises(FrameError, match=r"that cv_bridge converts to rgb8, got '8SC3': .+\. Ch"):
        decode(image('8SC3'), None, cv_bridge_decoder())


@needs_cv_bridge
def test_cv_bridge_converts_what_it_knows() -> None:
    other = cv_bridge_decoder()
    assert other is not None
    np.testing.assert_array_equal(other(image('bgr8')), np.arange(24).reshape(2, 4, 3)[..., ::-1])


def stand_in(imgmsg_to_cv2: Any) -> ModuleType:
    module = ModuleType('cv_bridge')
    module.__spec__ = sys.__spec__
    module.CvBridge = type('CvBridge', (), {'imgmsg_to_cv2': imgmsg_to_cv2})
    return module


def test_an_encoding_not_known_here_is_asked_of_cv_bridge_as_rgb8(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def imgmsg_to_cv2(_: object, message: Image, desired_encoding: str) -> np.ndarray:
        asked.append((message.encoding, desired_encoding))
        return np.full((2, 4, 3), 5, np.uint8)

    monkeypatch.setitem(sys.modules, 'cv_bridge', stand_in(imgmsg_to_cv2))
    assert (decode(image('yuv444'), None, cv_bridge_decoder()).frame.rgb == 5).all()
    assert asked == [('yuv444', 'rgb8')]


def test_whatever_cv_bridge_raises_is_a_frame_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def imgmsg_to_cv2(*_: object) -> np.ndarray:
        raise AttributeError('no newbyteorder\n in NumPy 2')

    monkeypatch.setitem(sys.modules, 'cv_bridge', stand_in(imgmsg_to_cv2))
    with pytest.raises(FrameError) as error:
        decode(image('yuv444'), None, cv_bridge_decoder())
    assert str(error.value) == (
        "color image: expected an encoding that cv_bridge converts to rgb8, got 'yuv444': "
        'no newbyteorder in NumPy 2. Choose another topic, or have its driver publish rgb8.'
    )


def test_a_size_that_no_camera_has_is_not_given_to_cv_bridge(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, 'cv_bridge', stand_in(None))
    message = image('yuv444')
    message.height = message.width = 2**31
    with pytest.raises(FrameError, match='color image: expected 1 to 33554432 pixels'):
        decode(message, None, cv_bridge_decoder())
