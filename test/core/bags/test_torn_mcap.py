"""Files of mcap without their end, as a killed recorder leaves them."""

from __future__ import annotations

import shutil
import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest
from small_bags import cut, IMAGE, RGB, stamps

from m3l_core.bags.reading import Bag
from m3l_core.bags.topics import RGB_TOPIC
from m3l_core.bags.writing import BagWriter
from m3l_core.stream.image_codec import decode_rgb

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

rosbag2 = pytest.importorskip('rosbags.rosbag2')
typesys = pytest.importorskip('rosbags.typesys')


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
