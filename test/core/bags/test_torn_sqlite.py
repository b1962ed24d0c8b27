"""Databases that were cut, or whose recorder was killed: all that is whole is read."""

from __future__ import annotations

from pathlib import Path
import sqlite3
import subprocess
import sys
import tempfile

from image_bags import expect_images, IMAGE, image, noise, STORE
import numpy as np
import pytest
from small_bags import cut

from m3l_core.bags.reading import Bag
from m3l_core.errors import BagError

rosbag2 = pytest.importorskip('rosbags.rosbag2')


def sqlite_bag(path: Path, count: int) -> Path:
    """Write images, with a short message after each; return the database."""
    text = 'std_msgs/msg/String'
    plugin = rosbag2.StoragePlugin.SQLITE3
    with rosbag2.Writer(path, version=8, storage_plugin=plugin) as writer:
        images = writer.add_connection('/image', IMAGE, typestore=STORE)
        chatter = writer.add_connection('/chatter', text, typestore=STORE)
        said = STORE.serialize_cdr(STORE.types[text]('hello'), text)
        for index in range(count):
            writer.write(images, 10 + index, STORE.serialize_cdr(image(STORE, index), IMAGE))
            writer.write(chatter, 10 + index, said)
    return next(path.glob('*.db3'))


@pytest.mark.parametrize('has_metadata', [True, False])
def test_of_a_cut_sqlite3_file_all_whole_messages_are_read(
    tmp_path: Path, has_metadata: bool
) -> None:
    file = sqlite_bag(tmp_path / 'bag', 100)
    size = file.stat().st_size
    if not has_metadata:
        (tmp_path / 'bag' / 'metadata.yaml').unlink()
    counts = []
    for tenths in range(9, 0, -2):
        cut(file, size * tenths // 10 + 7)
        with Bag(tmp_path / 'bag') as bag:
            counts.append(expect_images(bag))
            assert bag.topics['/image'].count == counts[-1]
            assert bag.last_ns(['/image']) == 9 + counts[-1]
            assert any(f'{file}: ends early; ' in warning for warning in bag.warnings)
    assert counts == pytest.approx([90, 70, 50, 30, 10], abs=4)


def test_a_cut_sqlite3_file_with_a_tree_of_many_pages_is_read(tmp_path: Path) -> None:
    """Its inner pages are among those that are missing."""
    count = 4000
    with sqlite3.connect(tmp_path / 'bag.db3') as database:
        database.execute('PRAGMA page_size = 512')
        write_schema(database)
        for index in range(count):
            row = (1, 10 + index, index.to_bytes(4, 'big') * (index % 200))
            database.execute('INSERT INTO messages(topic_id, timestamp, data) VALUES(?,?,?)', row)
    database.close()
    file = tmp_path / 'bag.db3'
    cut(file, file.stat().st_size // 2)
    with Bag(file) as bag:
        found = list(bag.raw_messages())
    assert [raw.receive_ns for raw in found] == list(range(10, 10 + len(found)))
    for index, raw in enumerate(found):
        assert raw.data == index.to_bytes(4, 'big') * (index % 200)
    assert len(found) == pytest.approx(count / 2, rel=0.05)


def write_schema(database: sqlite3.Connection) -> None:
    database.execute(
        'CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL, '
        'serialization_format TEXT NOT NULL, offered_qos_profiles TEXT NOT NULL)'
    )
    database.execute(
        'CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL, '
        'timestamp INTEGER NOT NULL, data BLOB NOT NULL)'
    )
    database.execute('CREATE INDEX timestamp_idx ON messages (timestamp ASC)')
    database.execute("INSERT INTO topics VALUES(1, '/image', ?, 'cdr', '')", (IMAGE,))


KILLED_RECORDER = """
import os, sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute('PRAGMA journal_mode = WAL')
for line in sys.stdin.read().splitlines():
    if line == 'take in':
        database.commit()
        database.execute('PRAGMA wal_checkpoint(RESTART)')
    else:
        database.execute(line)
database.commit()
database.execute('PRAGMA cache_size = 1')  # so that what is never committed is written, too
for number in range(int(sys.argv[2])):
    database.execute('INSERT INTO messages VALUES(?, 1, 99, zeroblob(9000))', (100 + number,))
os._exit(9)
"""


@pytest.mark.parametrize(
    ('count', 'taken_in', 'uncommitted'),
    [(5, 0, 20), (5, 3, 20), (39, 37, 0)],  # in the last, old pages follow the new ones
)
def test_what_a_killed_recorder_had_only_written_ahead_is_read(
    tmp_path: Path, count: int, taken_in: int, uncommitted: int
) -> None:
    """Recorders with the preset `resilient` do; an ordinary reader would miss it."""
    file = tmp_path / 'bag.db3'
    memory = sqlite3.connect(':memory:')
    write_schema(memory)
    lines = [line for line in memory.iterdump() if line.startswith(('CREATE', 'INSERT'))]
    for index in range(count):
        if index and index == taken_in:
            lines.append('take in')
        data = bytes(STORE.serialize_cdr(image(STORE, index), IMAGE)).hex()
        lines.append(f"INSERT INTO messages VALUES({index + 1}, 1, {10 + index}, x'{data}')")
    subprocess.run(
        [sys.executable, '-c', KILLED_RECORDER, file, str(uncommitted)],
        input='\n'.join(lines), text=True, check=False,
    )  # fmt: skip
    assert (tmp_path / 'bag.db3-wal').stat().st_size > 10 * noise(0).size
    for path in (tmp_path, file):
        with Bag(path) as bag:
            assert expect_images(bag) == count
            assert bag.warnings[-1] == (
                f'{file}: ends early; {count} messages are whole. Run: ros2 bag reindex'
            )


def test_damaged_pages_cost_what_was_in_them_and_no_more(tmp_path: Path) -> None:
    file = sqlite_bag(tmp_path / 'bag', 40)
    data = bytearray(file.read_bytes())
    random = np.random.default_rng(0)
    cut_at = len(data) * 9 // 10
    for _ in range(60):
        wrong = bytearray(data[:cut_at])
        for place in random.integers(4096, cut_at, 20):
            wrong[place] = random.integers(256)
        file.write_bytes(wrong)
        try:
            with Bag(file) as bag:
                raw = list(bag.raw_messages())
        except BagError:
            continue
        assert len(raw) <= 80


def zstd_of(file: Path) -> Path:
    packed = file.with_name(f'{file.name}.zstd')
    packed.write_bytes(pytest.importorskip('backports.zstd').compress(file.read_bytes()))
    file.unlink()
    return packed


def test_a_compressed_file_without_metadata_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / 'temporary'
    temporary.mkdir()
    monkeypatch.setattr(tempfile, 'tempdir', str(temporary))
    packed = zstd_of(sqlite_bag(tmp_path / 'bag', 20))
    (tmp_path / 'bag' / 'metadata.yaml').unlink()
    for path in (tmp_path / 'bag', packed):
        with Bag(path) as bag:
            assert expect_images(bag) == 20
            assert [*temporary.iterdir()] != []
        assert [*temporary.iterdir()] == []
    cut(packed, packed.stat().st_size * 2 // 3)
    with Bag(packed) as bag:
        assert 8 <= expect_images(bag) < 15
        assert bag.warnings[-1].startswith(f'{packed}: ends early; ')
    packed.write_bytes(b'no bag')
    with pytest.raises(BagError, match=f'^{packed}: expected an mcap, sqlite3 or ROS 1 file, got'):
        Bag(packed)
    assert [*temporary.iterdir()] == []
