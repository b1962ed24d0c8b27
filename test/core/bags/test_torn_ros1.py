"""Bags of ROS 1 that were cut, or whose recorder was killed: all that is whole is read."""

from __future__ import annotations

from pathlib import Path
import shutil
import struct

from image_bags import expect_images, IMAGE, image, noise, STORE1
import numpy as np
import pytest
from small_bags import cut

from m3l_core.bags.reading import Bag
from m3l_core.errors import BagError

rosbag1 = pytest.importorskip('rosbags.rosbag1')


def ros1_bag(path: Path, count: int, compression: str = '') -> list[int]:
    """Write images in small chunks; return where in the file the chunks begin."""
    writer = rosbag1.Writer(path)
    writer.chunk_threshold = 3 * noise(0).size
    if compression:
        writer.set_compression(rosbag1.Writer.CompressionFormat[compression])
    with writer:
        connection = writer.add_connection('/image', IMAGE, typestore=STORE1)
        for index in range(count):
            writer.write(
                connection, 10 + index, STORE1.serialize_ros1(image(STORE1, index), IMAGE)
            )
    data, place, chunks = path.read_bytes(), 13, []
    while place < len(data):
        header = int.from_bytes(data[place : place + 4], 'little')
        if b'op=\x05' in data[place : place + 4 + header]:
            chunks.append(place)
        place += 4 + header
        place += 4 + int.from_bytes(data[place : place + 4], 'little')
    return chunks


@pytest.mark.parametrize('compression', ['', 'BZ2', 'LZ4'])
def test_a_ros_1_bag_without_its_index_is_read(tmp_path: Path, compression: str) -> None:
    file = tmp_path / 'a.bag'
    ros1_bag(file, 20, compression)
    size = file.stat().st_size
    counts = []
    for kept in (0.97, 0.7, 0.4):  # a copy that stopped: what the header says is not there
        cut(file, int(size * kept))
        with Bag(file) as bag:
            counts.append(expect_images(bag))
            assert bag.warnings[-1] == (
                f'{file}: ends early; {counts[-1]} messages are whole. Run: rosbag reindex'
            )
    assert counts == pytest.approx([20, 14, 8], abs=3)


def test_a_ros_1_bag_of_a_killed_recorder_is_read(tmp_path: Path) -> None:
    """It has another name, no index, and a last chunk whose size was never written."""
    file = tmp_path / 'a.bag'
    chunks = ros1_bag(file, 20)
    data = bytearray(file.read_bytes())
    index = data.index(b'index_pos=') + len(b'index_pos=')
    data[index : index + 8] = bytes(8)
    last = chunks[-1]
    header = int.from_bytes(data[last : last + 4], 'little')
    data[last + 4 + header : last + 8 + header] = bytes(4)
    active = tmp_path / 'a.bag.active'
    active.write_bytes(data[: last + len(data[last:]) // 2])
    with Bag(active) as bag:
        whole = expect_images(bag)
        assert bag.warnings == [
            f'{active}: ends early; {whole} messages are whole. Run: rosbag reindex'
        ]
    assert whole > 3 * (len(chunks) - 1)


def test_any_bytes_after_the_first_line_give_a_bag_or_a_named_error(tmp_path: Path) -> None:
    file = tmp_path / 'a.bag'
    ros1_bag(file, 4)
    data = file.read_bytes()[:-50]
    random = np.random.default_rng(0)
    for _ in range(100):
        wrong = bytearray(data)
        for place in random.integers(13, len(data), 20):
            wrong[place] = random.integers(256)
        file.write_bytes(wrong)
        try:
            with Bag(file) as bag:
                assert sum(1 for _ in bag.raw_messages()) <= 8
        except BagError:
            continue


def test_a_length_that_is_a_lie_takes_no_memory(tmp_path: Path) -> None:
    file = tmp_path / 'a.bag'
    file.write_bytes(b'#ROSBAG V2.0\n' + struct.pack('<I', 0xFFFFFFFF) + bytes(100))
    with pytest.raises(BagError, match='expected a readable bag, got damage'):
        Bag(file)
    shutil.copy(file, tmp_path / 'b.db3')
    (tmp_path / 'b.db3').write_bytes(b'SQLite format 3\0' + b'\xff' * 5000)
    with pytest.raises(BagError):
        Bag(tmp_path / 'b.db3')
