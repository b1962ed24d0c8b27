from __future__ import annotations

import re
import shutil
import struct
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

    from numpy.typing import NDArray

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


def cut(file: Path, kept: int) -> None:
    file.write_bytes(file.read_bytes()[:kept])


def stamps(bag: Bag, topic: str) -> list[int]:
    return [message.receive_ns for message in bag.messages([topic])]


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


def chunked_bag(path: Path, compression: str) -> Path:
    """Write ten images in chunks; return the mcap file."""
    store = typesys.get_typestore(typesys.Stores.ROS2_HUMBLE)
    time = store.types['builtin_interfaces/msg/Time'](0, 0)
    header = store.types['std_msgs/msg/Header'](time, '')
    with rosbag2.Writer(path, version=8, storage_plugin=rosbag2.StoragePlugin.MCAP) as writer:
        connection = writer.add_connection('/image', IMAGE, typestore=store)
        for index in range(10):
            image = store.types[IMAGE](header, 24, 32, 'rgb8', 0, 96, noise(index).reshape(-1))
            writer.write(connection, 10 + index, store.serialize_cdr(image, IMAGE))
    return in_chunks(next(path.glob('*.mcap')), compression)


def noise(index: int) -> NDArray[np.uint8]:
    return np.random.default_rng(index).integers(0, 255, RGB.shape, np.uint8)


def in_chunks(file: Path, compression: str) -> Path:
    """Write an mcap file anew, in small chunks and without its end, as a killed recorder does."""
    data = file.read_bytes()
    header, *rest = records_of(data[8:-8])
    (plain,) = (body for kind, body in rest if kind == 6)
    inner = records_of(plain[40:])  # 28 bytes of numbers, no name of a codec, a length
    chunks = b''
    for first in range(0, len(inner), 3):
        content = b''.join(record(kind, body) for kind, body in inner[first : first + 3])
        packed = compressed(content, compression)
        name = compression.encode()
        chunks += record(
            6,
            struct.pack('<QQQII', 0, 0, len(content), 0, len(name))
            + name
            + struct.pack('<Q', len(packed))
            + packed,
        )
    file.write_bytes(data[:8] + record(*header) + chunks)
    return file


def records_of(data: bytes) -> list[tuple[int, bytes]]:
    place, found = 0, []
    while place < len(data):
        kind, size = struct.unpack_from('<BQ', data, place)
        found.append((kind, data[place + 9 : place + 9 + size]))
        place += 9 + size
    return found


def record(kind: int, body: bytes) -> bytes:
    return struct.pack('<BQ', kind, len(body)) + body


def compressed(plain: bytes, compression: str) -> bytes:
    if compression == 'zstd':
        return pytest.importorskip('backports.zstd').compress(plain)
    if compression == 'lz4':
        return pytest.importorskip('lz4.frame').compress(plain)
    return plain


@pytest.mark.parametrize('compression', ['', 'zstd', 'lz4'])
def test_of_an_mcap_file_without_its_end_all_whole_messages_are_read(
    tmp_path: Path, compression: str
) -> None:
    file = chunked_bag(tmp_path / 'bag', compression)
    (tmp_path / 'bag' / 'metadata.yaml').unlink()
    with Bag(tmp_path / 'bag') as bag:
        assert stamps(bag, '/image') == list(range(10, 20))
        assert bag.topics['/image'].count == 10
        assert (bag.start_ns, bag.duration_ns) == (10, 9)
        last = list(bag.messages())[-1]
        np.testing.assert_array_equal(decode_rgb(last.message), noise(9))
        assert bag.warnings[1] == (
            f'{file}: ends early; 10 messages are whole. Run: ros2 bag reindex'
        )


@pytest.mark.parametrize('compression', ['', 'zstd', 'lz4'])
def test_a_torn_last_chunk_costs_what_was_in_it_and_no_more(
    tmp_path: Path, compression: str
) -> None:
    file = chunked_bag(tmp_path / 'bag', compression)
    size = file.stat().st_size
    counts = []
    for kept in range(size, size // 2, -max(size // 40, 1)):
        cut(file, kept)
        with Bag(file) as bag:
            read = stamps(bag, '/image')
        assert read == list(range(10, 10 + len(read)))
        counts.append(len(read))
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == 10
    assert 0 < counts[-1] < 10


def test_a_split_bag_whose_last_file_is_torn_is_read_in_order(tmp_path: Path) -> None:
    folder = tmp_path / 'bag'
    folder.mkdir()
    for number in (0, 1, 10):  # in the order of numbers, not of letters
        with BagWriter(tmp_path / f'part{number}', transport='raw') as writer:
            for index in range(3):
                writer.write_rgb(RGB, 1_000 * number + index + 1)
        shutil.move(tmp_path / f'part{number}' / f'part{number}.mcap', folder / f'b_{number}.mcap')
    last = folder / 'b_10.mcap'
    cut(last, last.stat().st_size * 2 // 3)
    with Bag(folder) as bag:
        read = stamps(bag, RGB_TOPIC)
        assert read[:6] == [1, 2, 3, 1_001, 1_002, 1_003]
        assert read[6:] in ([10_001], [10_001, 10_002])
        assert str(last) in bag.warnings[1]


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
