"""Images that can be told apart, as messages, and what of them a bag has to give."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
import pytest

from m3l_core.bags.reading import Bag
from m3l_core.stream.image_codec import decode_rgb

typesys = pytest.importorskip('rosbags.typesys')

IMAGE = 'sensor_msgs/msg/Image'
STORE = typesys.get_typestore(typesys.Stores.ROS2_HUMBLE)
STORE1 = typesys.get_typestore(typesys.Stores.ROS1_NOETIC)
SIZE = (48, 64)


def noise(index: int) -> NDArray[np.uint8]:
    return np.random.default_rng(index).integers(0, 255, (*SIZE, 3), np.uint8)


def image(store: Any, index: int) -> Any:
    """Return an image that has 9 kB: more than a page of sqlite3."""
    time = store.types['builtin_interfaces/msg/Time'](0, index)
    header = [0, time, ''] if store is STORE1 else [time, '']
    header = store.types['std_msgs/msg/Header'](*header)
    height, width = SIZE
    return store.types[IMAGE](
        header, height, width, 'rgb8', 0, 3 * width, noise(index).reshape(-1)
    )


def expect_images(bag: Bag) -> int:
    """Check that images are the first ones of the recording, unharmed; return their number."""
    count = 0
    for count, message in enumerate(bag.messages(['/image']), 1):
        assert message.receive_ns == 9 + count
        np.testing.assert_array_equal(decode_rgb(message.message), noise(count - 1))
    return count
