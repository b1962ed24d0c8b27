from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from m3l_core.bags.reading import Bag
from m3l_core.bags.topics import DEPTH_TOPIC, find_topics, guess_topics, RGB_TOPIC, RgbdTopics
from m3l_core.bags.writing import BagWriter
from m3l_core.errors import BagError
from m3l_core.stream.image_codec import decode_rgb

if TYPE_CHECKING:
    from pathlib import Path

rosbag2 = pytest.importorskip('rosbags.rosbag2')
typesys = pytest.importorskip('rosbags.typesys')

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
INFO = 'sensor_msgs/msg/CameraInfo'
RGB = np.arange(24 * 32 * 3, dtype=np.uint8).reshape(24, 32, 3)


@pytest.fixture
def bag_path(tmp_path: Path) -> Path:
    path = tmp_path / 'bag'
    with BagWriter(path, transport='raw') as writer:
        for index in range(3):
            writer.write_rgb(RGB + index, 1_000 * index + 10)
            writer.write_depth(RGB[..., 0].astype(np.uint16), 1_000 * index + 10)
    return path


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


def test_a_bag_tells_its_topics_and_times(bag_path: Path) -> None:
    with Bag(bag_path) as bag:
        assert {name: (info.type, info.count) for name, info in bag.topics.items()} == {
            RGB_TOPIC: (IMAGE, 3),
            DEPTH_TOPIC: (IMAGE, 3),
        }
        assert (bag.start_ns, bag.duration_ns) == (10, 2_000)


def test_only_the_topics_asked_for_are_read(bag_path: Path) -> None:
    with Bag(bag_path) as bag:
        read = list(bag.messages([RGB_TOPIC]))
    assert [message.receive_ns for message in read] == [10, 1_010, 2_010]
    for index, message in enumerate(read):
        np.testing.assert_array_equal(decode_rgb(message.message), RGB + index)


def test_raw_messages_are_what_was_recorded(bag_path: Path) -> None:
    with Bag(bag_path) as bag:
        raw = next(bag.raw_messages([DEPTH_TOPIC]))
        assert (raw.topic, raw.type, raw.receive_ns) == (DEPTH_TOPIC, IMAGE, 10)
        assert raw.data[:4] == b'\x00\x01\x00\x00'  # CDR, little endian
        assert bag.deserialize(raw).encoding == '16UC1'


def test_sqlite3_bags_and_single_mcap_files_are_read(bag_path: Path, tmp_path: Path) -> None:
    with Bag(bag_with(tmp_path / 'sqlite3', {'/image': IMAGE}, 'sqlite3')) as bag:
        np.testing.assert_array_equal(decode_rgb(next(bag.messages()).message), RGB)
    with Bag(bag_path / 'bag.mcap') as bag:
        assert len(list(bag.messages())) == 6


def test_ros_1_bags_are_read(tmp_path: Path) -> None:
    rosbag1 = pytest.importorskip('rosbags.rosbag1')
    store = typesys.get_typestore(typesys.Stores.ROS1_NOETIC)
    header = store.types['std_msgs/msg/Header'](
        0, store.types['builtin_interfaces/msg/Time'](1, 2), 'camera'
    )
    image = store.types[IMAGE](header, 24, 32, 'rgb8', 0, 96, RGB.reshape(-1))
    with rosbag1.Writer(tmp_path / 'old.bag') as writer:
        connection = writer.add_connection('/camera/rgb/image_color', IMAGE, typestore=store)
        writer.write(connection, 5, store.serialize_ros1(image, IMAGE))
    with Bag(tmp_path / 'old.bag') as bag:
        (message,) = bag.messages()
        assert guess_topics(bag).rgb == '/camera/rgb/image_color'
    assert message.receive_ns == 5
    assert message.message.header.stamp.nanosec == 2
    np.testing.assert_array_equal(decode_rgb(message.message), RGB)


def test_topics_of_a_made_bag_are_found(tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'bag') as writer:
        writer.write_rgb(RGB, 1)
        writer.write_depth(RGB[..., 0].astype(np.uint16), 1)
        writer.write_labels(RGB[..., 0], 1)
        writer.write_camera_info(np.eye(3), (24, 32), 1)
    with Bag(tmp_path / 'bag') as bag:
        assert find_topics(bag) == RgbdTopics(
            rgb='/camera/color/image_raw/compressed',
            depth='/camera/aligned_depth_to_color/image_raw/compressedDepth',
            camera_info='/camera/color/camera_info',
            labels='/camera/labels/image_raw',
        )


@pytest.mark.parametrize(
    ('topics', 'expected'),
    [
        (
            {
                '/camera/camera/aligned_depth_to_color/image_raw': IMAGE,
                '/camera/camera/color/camera_info': INFO,
                '/camera/camera/color/image_raw': IMAGE,
                '/camera/camera/color/image_raw/compressed': COMPRESSED,
                '/camera/camera/depth/camera_info': INFO,
                '/camera/camera/depth/image_rect_raw': IMAGE,
                '/camera/camera/infra1/image_rect_raw': IMAGE,
            },
            RgbdTopics(
                rgb='/camera/camera/color/image_raw',
                depth='/camera/camera/aligned_depth_to_color/image_raw',
                camera_info='/camera/camera/color/camera_info',
            ),
        ),
        (
            {
                '/oak/rgb/image_raw/compressed': COMPRESSED,
                '/oak/stereo/image_raw/compressedDepth': COMPRESSED,
                '/oak/depth/image_raw/compressed': COMPRESSED,
                '/oak/depth/image_raw/compressedDepth': COMPRESSED,
            },
            RgbdTopics(
                rgb='/oak/rgb/image_raw/compressed', depth='/oak/depth/image_raw/compressedDepth'
            ),
        ),
        (
            {
                '/zed/zed_node/confidence/confidence_map': IMAGE,
                '/zed/zed_node/depth/depth_registered': IMAGE,
                '/zed/zed_node/rgb/image_rect_color': IMAGE,
                '/m3l_segment/mask': IMAGE,
            },
            RgbdTopics(
                rgb='/zed/zed_node/rgb/image_rect_color',
                depth='/zed/zed_node/depth/depth_registered',
                labels='/m3l_segment/mask',
            ),
        ),
    ],
)
def test_topics_of_common_drivers_are_guessed(
    tmp_path: Path, topics: dict[str, str], expected: RgbdTopics
) -> None:
    with Bag(bag_with(tmp_path / 'bag', topics)) as bag:
        assert guess_topics(bag) == expected


def test_given_topics_win_over_guesses(bag_path: Path) -> None:
    with Bag(bag_path) as bag:
        assert find_topics(bag, RgbdTopics(rgb=DEPTH_TOPIC)).rgb == DEPTH_TOPIC


def test_a_bag_without_depth_is_refused(tmp_path: Path) -> None:
    path = bag_with(tmp_path / 'bag', {'/cam/rgb/image': IMAGE})
    with Bag(path) as bag, pytest.raises(BagError) as error:
        find_topics(bag)
    assert str(error.value) == (
        f'{tmp_path}/bag: expected a topic of depth images, got /cam/rgb/image. '
        'Name the topic, or record one.'
    )


def test_a_topic_that_is_not_there_is_refused(bag_path: Path) -> None:
    with Bag(bag_path) as bag, pytest.raises(BagError) as error:
        find_topics(bag, RgbdTopics(depth='/depht'))
    assert str(error.value) == (
        f'{bag_path}: expected the topic /depht, got {DEPTH_TOPIC}, {RGB_TOPIC}. '
        'Choose one of these.'
    )


def test_what_is_no_bag_is_refused(tmp_path: Path) -> None:
    text = tmp_path / 'notes.txt'
    text.write_text('no bag')
    what = 'expected a bag (a rosbag2 folder, or a file .mcap, .db3, .bag), got'
    for path, got in [
        (tmp_path / 'none', 'nothing there'),
        (tmp_path, 'a folder without metadata.yaml'),
        (text, 'notes.txt'),
    ]:
        with pytest.raises(BagError) as error:
            Bag(path)
        assert str(error.value) == f'{path}: {what} {got}. Check the path.'


def test_an_unfinished_bag_is_named_as_such(bag_path: Path) -> None:
    (bag_path / 'metadata.yaml').unlink()
    with pytest.raises(BagError, match='expected a finished bag, got one without'):
        Bag(bag_path)


def test_an_empty_bag_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BagError, match='expected messages, got an empty bag'):
        Bag(bag_with(tmp_path / 'bag', {}))


@pytest.mark.parametrize(
    ('name', 'kept'),
    [
        ('bag.mcap', 0), ('bag.mcap', 1), ('bag.mcap', 20), ('bag.mcap', 300), ('bag.mcap', 2_000),
        ('metadata.yaml', 0), ('metadata.yaml', 1), ('metadata.yaml', 20), ('metadata.yaml', 300),
    ],
)  # fmt: skip
def test_a_cut_bag_is_refused_in_one_line(bag_path: Path, name: str, kept: int) -> None:
    file = bag_path / name
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(BagError) as error, Bag(bag_path) as bag:
        list(bag.messages())
    assert str(error.value).startswith(f'{bag_path}: expected a readable bag, got damage: ')
    assert '\n' not in str(error.value)


def test_damage_in_the_middle_of_a_bag_is_named(bag_path: Path) -> None:
    file = bag_path / 'bag.mcap'
    data = bytearray(file.read_bytes())
    place = data.index(b'rgb8')
    data[place - 4 : place] = b'\xff\xff\xff\x7f'  # Length of the encoding.
    file.write_bytes(data)
    with Bag(bag_path) as bag, pytest.raises(BagError) as error:
        list(bag.messages())
    assert str(error.value).startswith(f'{bag_path}: {RGB_TOPIC} holds damaged bytes at 10 ns')


def test_a_moved_bag_is_read(bag_path: Path, tmp_path: Path) -> None:
    shutil.move(bag_path, tmp_path / 'elsewhere')
    with Bag(tmp_path / 'elsewhere') as bag:
        assert bag.topics[RGB_TOPIC].count == 3
