"""Bags that are unlike the usual: of ROS 1, damaged, longer than their images, without one."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from recordings import START_NS, write_bag
from replaying import frames

from m3l_core.bags.reading import Bag
from m3l_core.bags.topics import DEPTH_TOPIC
from m3l_core.bags.writing import BagWriter
from m3l_core.errors import BagError
from m3l_core.frames import RgbdFrame
from m3l_core.replay.scenario import FaultConfig
from m3l_core.stream.image_codec import decode_depth, decode_rgb

if TYPE_CHECKING:
    from recordings import ReplayIt

STORES = pytest.importorskip('rosbags.typesys')

IMAGE = 'sensor_msgs/msg/Image'


def test_a_bag_ends_with_its_last_image(
    replay_it: ReplayIt, rooms: list[RgbdFrame], tmp_path: Path
) -> None:
    """Its label topic goes on for another two minutes, which is no gap of the cameras."""
    bag = write_bag(tmp_path / 'bag', rooms, count=20, labels=False)
    longer = with_late_labels(bag, tmp_path / 'longer_bag', 120_000_000_000)
    with Bag(longer) as opened:
        assert opened.duration_ns > 100e9
    summary = replay_it(
        FaultConfig(kind='drop', modality='depth', start_share=0.5), bag=longer, name='longer'
    )
    assert summary['duration_s'] == 0.95
    assert summary['longest_gap_s'] < 0.5
    assert summary['faults'][0]['start_s'] == 0.475
    plain = replay_it(FaultConfig(kind='drop', modality='depth', start_share=0.5), bag=bag)
    for name in ('frames', 'used', 'transitions', 'mode_seconds', 'gaps', 'faults'):
        assert summary[name] == plain[name]


def with_late_labels(source: Path, path: Path, late_ns: int) -> Path:
    """Write a bag again with one more image on another topic, long after the others."""
    with Bag(source) as bag, BagWriter(path, transport='raw') as writer:
        for message in bag.messages():
            if message.topic == DEPTH_TOPIC:
                depth_mm = (1000 * decode_depth(message.message)).round().astype(np.uint16)
                writer.write_depth(depth_mm, message.receive_ns)
            else:
                writer.write_rgb(decode_rgb(message.message), message.receive_ns)
        size = depth_mm.shape
        writer.write_labels(np.zeros(size, np.uint8), message.receive_ns + late_ns)
    return path


def test_a_bag_without_one_image_is_refused(
    replay_it: ReplayIt, tmp_path: Path, frame: RgbdFrame
) -> None:
    with BagWriter(tmp_path / 'bag', transport='raw') as writer:
        assert frame.rgb is not None
        writer.write_rgb(frame.rgb, START_NS)
    with pytest.raises(BagError, match='expected a topic of depth images'):
        replay_it(bag=tmp_path / 'bag')


def test_a_bag_of_damaged_images_alone_is_refused(replay_it: ReplayIt, tmp_path: Path) -> None:
    rosbag2 = pytest.importorskip('rosbags.rosbag2')
    store = STORES.get_typestore(STORES.Stores.ROS2_HUMBLE)
    path, plugin = tmp_path / 'bag', rosbag2.StoragePlugin.MCAP
    with rosbag2.Writer(path, version=8, storage_plugin=plugin) as writer:
        for topic in ('/camera/color/image_raw', '/camera/depth/image_raw'):
            writer.write(writer.add_connection(topic, IMAGE, typestore=store), 7, bytes(8))
    with pytest.raises(BagError) as refusal:
        replay_it(bag=path)
    assert str(refusal.value).startswith(
        f'{path}: expected images on /camera/color/image_raw and /camera/depth/image_raw, got 2 '
        'messages are damaged and left out; the first: '
    )


def test_a_bag_of_ros_1_gives_the_same_masks(
    replay_it: ReplayIt, tmp_path: Path, bag_path: Path
) -> None:
    rosbag1 = pytest.importorskip('rosbags.rosbag1')
    store = STORES.get_typestore(STORES.Stores.ROS1_NOETIC)
    with Bag(bag_path) as bag, rosbag1.Writer(tmp_path / 'old.bag') as writer:
        connections = {
            name: writer.add_connection(name, topic.type, typestore=store)
            for name, topic in bag.topics.items()
        }
        for message in bag.messages():
            header = store.types['std_msgs/msg/Header'](
                0, message.message.header.stamp, message.message.header.frame_id
            )
            old = replace(message.message, header=header)
            image = store.types[IMAGE](**{f.name: getattr(old, f.name) for f in fields(old)})
            data = store.serialize_ros1(image, IMAGE)
            writer.write(connections[message.topic], message.receive_ns, data)
    faults = (
        FaultConfig(kind='freeze', modality='rgb', start_s=1.0, end_s=2.0),
        FaultConfig(kind='clock_shift', modality='depth', ms=10, start_s=1.0),
    )
    for name, path in (('old', tmp_path / 'old.bag'), ('new', bag_path)):
        replay_it(*faults, name=name, bag=path)
    assert frames(tmp_path / 'old') == frames(tmp_path / 'new')
