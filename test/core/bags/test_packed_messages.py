"""Bags whose messages were compressed one by one, which only their metadata.yaml tells."""

from __future__ import annotations

from pathlib import Path

from image_bags import expect_images, IMAGE, image, STORE
import pytest
from small_bags import cut

from m3l_core.bags.reading import Bag
from m3l_core.bags.zstd import zstd
from m3l_core.errors import BagError

rosbag2 = pytest.importorskip('rosbags.rosbag2')


def packed_bag(path: Path, count: int, storage: str) -> Path:
    """Write images, each compressed; return the file that holds them."""
    writer = rosbag2.Writer(path, version=8, storage_plugin=rosbag2.StoragePlugin[storage])
    writer.set_compression(rosbag2.CompressionMode.MESSAGE, rosbag2.CompressionFormat.ZSTD)
    with writer:
        connection = writer.add_connection('/image', IMAGE, typestore=STORE)
        for index in range(count):
            data = STORE.serialize_cdr(image(STORE, index), IMAGE)
            writer.write(connection, 10 + index, data)
    return next(file for file in path.iterdir() if file.suffix != '.yaml')


@pytest.mark.parametrize('storage', ['MCAP', 'SQLITE3'])
def test_compressed_messages_are_read_without_their_metadata(tmp_path: Path, storage: str) -> None:
    file = packed_bag(tmp_path / 'bag', 10, storage)
    with Bag(file) as bag:
        assert expect_images(bag) == 10
    (tmp_path / 'bag' / 'metadata.yaml').unlink()
    with Bag(tmp_path / 'bag') as bag:
        assert expect_images(bag) == 10
        assert {bytes(raw.data[:2]) for raw in bag.raw_messages()} == {b'\0\1'}  # CDR
    cut(file, file.stat().st_size * 2 // 3)
    with Bag(file) as bag:
        assert 4 <= expect_images(bag) <= 7
        assert bag.warnings[-1].startswith(f'{file}: ends early; ')


def test_a_compressed_message_that_was_cut_costs_no_other(tmp_path: Path) -> None:
    plugin = rosbag2.StoragePlugin.MCAP
    with rosbag2.Writer(tmp_path / 'bag', version=8, storage_plugin=plugin) as writer:
        connection = writer.add_connection('/image', IMAGE, typestore=STORE)
        for index in range(3):
            data = zstd().compress(bytes(STORE.serialize_cdr(image(STORE, index), IMAGE)))
            writer.write(connection, 10 + index, data[:100] if index == 1 else data)
    with Bag(tmp_path / 'bag') as bag:
        first, second, third = bag.raw_messages()
        assert bag.deserialize(first).header.stamp.nanosec == 0
        assert bag.deserialize(third).header.stamp.nanosec == 2
        with pytest.raises(BagError, match='/image holds damaged bytes at 11 ns: '):
            bag.deserialize(second)
