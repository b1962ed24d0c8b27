"""Bags of almost empty messages, and what is done to them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from m3l_core.bags.reading import Bag

rosbag2 = pytest.importorskip('rosbags.rosbag2')
typesys = pytest.importorskip('rosbags.typesys')

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
INFO = 'sensor_msgs/msg/CameraInfo'
RGB = np.arange(24 * 32 * 3, dtype=np.uint8).reshape(24, 32, 3)


def bag_with(path: Path, topics: dict[str, str], storage: str = 'mcap') -> Path:
    """Write a bag with one almost empty message on each topic."""
    store = typesys.get_typestore(typesys.Stores.ROS2_HUMBLE)
    plugin = {
        'mcap': rosbag2.StoragePlugin.MCAP, 'sqlite3': rosbag2.StoragePlugin.SQLITE3
    }[storage]  # fmt: skip
    time = store.types['builtin_interfaces/msg/Time'](0, 0)
    header = store.types['std_msgs/msg/Header'](time, '')
    image = store.types[IMAGE](header, 24, 32, 'rgb8', 0, 96, RGB.reshape(-1))
    compressed = store.types[COMPRESSED](header, 'jpeg', np.zeros(3, np.uint8))
    region = store.types['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, False)
    zeros = np.zeros(9)
    info = store.types[INFO](header, 1, 1, '', zeros, zeros, zeros, np.zeros(12), 0, 0, region)
    values = {IMAGE: image, COMPRESSED: compressed, INFO: info}
    with rosbag2.Writer(path, version=8, storage_plugin=plugin) as writer:
        for topic, kind in topics.items():
            connection = writer.add_connection(topic, kind, typestore=store)
            writer.write(connection, 7, store.serialize_cdr(values[kind], kind))
    return path


def cut(file: Path, kept: int) -> None:
    file.write_bytes(file.read_bytes()[:kept])


def stamps(bag: Bag, topic: str) -> list[int]:
    return [message.receive_ns for message in bag.messages([topic])]
