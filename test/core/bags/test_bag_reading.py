"""Reading bags of every storage, whole, split, moved or damaged."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
from small_bags import bag_with, cut, IMAGE, RGB, stamps

from m3l_core.bags.reading import Bag
from m3l_core.bags.topics import DEPTH_TOPIC, guess_topics, RGB_TOPIC
from m3l_core.bags.writing import BagWriter
from m3l_core.errors import BagError
from m3l_core.stream.image_codec import decode_rgb

if TYPE_CHECKING:
    from pathlib import Path

rosbag2 = pytest.importorskip('rosbags.rosbag2')
typesys = pytest.importorskip('rosbags.typesys')


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


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_bag_without_metadata_is_read_with_a_warning(tmp_path: Path, storage: str) -> None:
    path = bag_with(tmp_path / 'bag', {'/image': IMAGE}, storage)
    (path / 'metadata.yaml').unlink()
    with Bag(path) as bag:
        assert stamps(bag, '/image') == [7]
        np.testing.assert_array_equal(decode_rgb(next(bag.messages()).message), RGB)
        assert bag.warnings == [
            f'{path}: has no metadata.yaml; its recorder was not ended properly. '
            'Reading the files in it. Run: ros2 bag reindex'
        ]


def test_a_split_bag_is_read_as_one(tmp_path: Path, bag_path: Path) -> None:
    with BagWriter(tmp_path / 'second', transport='raw') as writer:
        writer.write_rgb(RGB, 9_000)
    shutil.move(tmp_path / 'second' / 'second.mcap', bag_path / 'bag_1.mcap')
    metadata = (bag_path / 'metadata.yaml').read_text()
    names = re.search(r'relative_file_paths:\n(\s*- )bag.mcap\n', metadata)
    metadata = metadata.replace(names[0], f'{names[0]}{names[1]}bag_1.mcap\n')
    (bag_path / 'metadata.yaml').write_text(metadata)
    with Bag(bag_path) as bag:
        assert stamps(bag, RGB_TOPIC) == [10, 1_010, 2_010, 9_000]
        assert bag.warnings == []


def test_a_bag_with_damaged_metadata_is_read_with_a_warning(bag_path: Path) -> None:
    cut(bag_path / 'metadata.yaml', 20)
    with Bag(bag_path) as bag:
        assert stamps(bag, RGB_TOPIC) == [10, 1_010, 2_010]
        assert bag.warnings[0].startswith(f'{bag_path}: expected a readable bag, got damage: ')


def test_an_empty_bag_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BagError, match='expected messages, got an empty bag'):
        Bag(bag_with(tmp_path / 'bag', {}))


@pytest.mark.parametrize('kept', [0, 1, 20, 300, 2_000])
def test_a_bag_with_nothing_whole_in_it_is_refused_in_one_line(bag_path: Path, kept: int) -> None:
    cut(bag_path / 'bag.mcap', kept)
    with pytest.raises(BagError) as error:
        Bag(bag_path)
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
