"""Pairs out of bags: what is kept, what is left out and why, and what the files hold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
from extracting import color, depth_mm, good_bag, names, PERIOD_NS, run, SIZE, START_NS, write_bag
import numpy as np
import pytest

from m3l_core.bags.reading import Bag
from m3l_core.bags.topics import DEPTH_TOPIC, RGB_TOPIC
from m3l_core.bags.writing import BagWriter
from m3l_core.cli import main
from m3l_core.data.opening import open_samples
from m3l_core.errors import DataError
from m3l_core.stream.image_codec import encode_jpeg

if TYPE_CHECKING:
    from numpy.typing import NDArray

STORES = pytest.importorskip('rosbags.typesys')
ROSBAG2 = pytest.importorskip('rosbags.rosbag2')


def test_every_color_image_is_kept_or_counted_by_its_reason(tmp_path: Path) -> None:
    colors = [color(i) for i in range(12)]
    depths: list[NDArray[np.uint16] | None] = [depth_mm(i) for i in range(12)]
    colors[2] = colors[1] + np.uint8(1)  # the camera stands still
    colors[4] = np.zeros_like(colors[4])
    colors[5] = cv2.blur(colors[5], (25, 25))
    depths[7] = None
    depths[8] = np.zeros_like(depth_mm(8))
    depths[10] = depths[9]  # color goes on, depth does not
    (report,) = run(tmp_path / 'out', write_bag(tmp_path / 'b', colors, depths)).reports
    assert (report.images, report.kept) == (12, 6)
    assert report.skipped == {
        'between': 0, 'alike': 1, 'blurred': 1, 'dead': 3, 'damaged': 0, 'unpaired': 1,
    }  # fmt: skip
    kept = [f'b_{START_NS + i * PERIOD_NS}' for i in (0, 1, 3, 6, 9, 11)]
    assert names(tmp_path / 'out') == kept


def test_damaged_image_is_counted(tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'b') as writer:
        for index in range(3):
            data = encode_jpeg(color(index))
            if index == 1:
                data = data.replace(b'\xff\xdb', b'\xff\xfe')  # no quantization table
            writer.write_encoded_rgb(data, START_NS + index * PERIOD_NS)
            writer.write_depth(depth_mm(index), START_NS + index * PERIOD_NS)
    (report,) = run(tmp_path / 'out', tmp_path / 'b').reports
    assert (report.kept, report.skipped['damaged']) == (2, 1)


@pytest.mark.parametrize('topic', [RGB_TOPIC, DEPTH_TOPIC])
def test_message_that_was_cut_off_is_left_out_and_counted(tmp_path: Path, topic: str) -> None:
    with Bag(good_bag(tmp_path / 'good', 4)) as bag:
        bag_path = with_second_message_cut(bag, tmp_path / 'b', topic)
    done = run(tmp_path / 'out', bag_path)
    assert done.failed == {}
    (report,) = done.reports
    assert (report.images, report.kept) == (4, 3)
    assert report.skipped['damaged' if topic == RGB_TOPIC else 'unpaired'] == 1
    assert sum(report.skipped.values()) == 1
    (warning,) = report.warnings
    assert warning.startswith('1 messages are damaged and left out; the first: ')


def with_second_message_cut(bag: Bag, path: Path, topic: str) -> Path:
    """Write a bag again; the second message of a topic ends in the middle."""
    store = STORES.get_typestore(STORES.Stores.ROS2_HUMBLE)
    plugin = ROSBAG2.StoragePlugin.SQLITE3
    seen = 0
    with ROSBAG2.Writer(path, version=8, storage_plugin=plugin) as writer:
        connections = {
            name: writer.add_connection(name, info.type, typestore=store)
            for name, info in bag.topics.items()
        }
        for raw in bag.raw_messages():
            seen += raw.topic == topic
            is_cut = raw.topic == topic and seen == 2
            data = raw.data[: len(raw.data) // 2] if is_cut else raw.data
            writer.write(connections[raw.topic], raw.receive_ns, data)
    return path


def test_result_opens_as_unlabeled_samples_with_the_pixels_of_the_bag(tmp_path: Path) -> None:
    run(tmp_path / 'out', good_bag(tmp_path / 'b', 3))
    samples = open_samples(tmp_path / 'out', 'all', labeled=False)
    assert len(samples) == 3
    sample = samples[1]
    assert sample.name == f'b_{START_NS + PERIOD_NS}'
    np.testing.assert_array_equal(sample.depth_mm, depth_mm(1))
    assert np.abs(sample.rgb.astype(int) - color(1)).mean() < 8  # JPEG
    assert (sample.labels == 255).all()
    assert sample.labels.shape == SIZE


def test_unlabeled_pairs_are_refused_where_labels_are_needed(tmp_path: Path) -> None:
    run(tmp_path / 'out', good_bag(tmp_path / 'b', 2))
    with pytest.raises(DataError) as refusal:
        open_samples(tmp_path / 'out', 'all')
    assert str(refusal.value) == (
        f'{tmp_path / "out"}: expected a data set with labels, got one that has none by its '
        'card.yaml. Label some of its images, or give it where unlabeled images are asked for.'
    )


def test_unlabeled_pairs_are_checked_drawn_and_packed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, pack = tmp_path / 'out', tmp_path / 'pack.zip'
    run(out, good_bag(tmp_path / 'b', 6))
    assert main(['data', 'check', str(out), '--sheet', str(tmp_path / 'sheet.png')]) == 0
    assert main(['data', 'pack', str(out), str(pack), '--split', 'all']) == 0
    assert main(['data', 'check', str(pack)]) == 0
    assert 'pack, 6 images' in capsys.readouterr().out.replace('out, 6', 'pack, 6')
    assert not (open_samples(pack, 'all', labeled=False)[0].labels != 255).any()


def test_stamps_and_camera_are_written_beside_the_images(tmp_path: Path) -> None:
    run(tmp_path / 'out', good_bag(tmp_path / 'b', 2))
    lines = (tmp_path / 'out/stamps.csv').read_text().splitlines()
    assert lines == [
        'name,bag,stamp_ns,depth_stamp_ns,receive_ns',
        f'b_{START_NS},b,{START_NS},{START_NS + 5_000_000},{START_NS}',
        f'b_{START_NS + PERIOD_NS},b,{START_NS + PERIOD_NS},{START_NS + 105_000_000},'
        f'{START_NS + PERIOD_NS}',
    ]
    matrix = np.loadtxt(tmp_path / 'out/camera-intrinsics.txt')
    np.testing.assert_array_equal(matrix, np.diag([50.0, 50.0, 1.0]))


def test_jpeg_of_the_bag_goes_into_the_file_as_it_is(tmp_path: Path) -> None:
    bag = good_bag(tmp_path / 'b', 1, transport='compressed')
    run(tmp_path / 'out', bag)
    with Bag(bag) as opened:
        recorded = next(m for m in opened.messages() if m.topic.endswith('image_raw/compressed'))
    file = tmp_path / 'out/rgb' / f'b_{START_NS}.jpg'
    assert file.read_bytes() == recorded.message.data.tobytes()


def test_smaller_depth_is_brought_to_the_size_of_color(tmp_path: Path) -> None:
    write_bag(tmp_path / 'b', [color(0)], [np.full((24, 32), 1500, np.uint16)])
    (report,) = run(tmp_path / 'out', tmp_path / 'b').reports
    sample = open_samples(tmp_path / 'out', 'all', labeled=False)[0]
    assert sample.depth_mm.shape == SIZE
    assert (sample.depth_mm == 1500).all()
    assert report.warnings == [
        'depth image: expected 64x48 pixels as the color image has, got 32x24. '
        'The nearest readings are taken.'
    ]


@pytest.mark.parametrize(('every', 'kept'), [('3', [0, 3, 6]), ('0.25s', [0, 3, 6]), ('7', [0])])
def test_every_thins_out_by_pairs_or_by_seconds(
    tmp_path: Path, every: str, kept: list[int]
) -> None:
    run(tmp_path / 'out', good_bag(tmp_path / 'b', 7), every=every)
    assert names(tmp_path / 'out') == [f'b_{START_NS + i * PERIOD_NS}' for i in kept]


def test_pair_that_is_due_and_useless_gives_way_to_the_next(tmp_path: Path) -> None:
    colors = [color(i) for i in range(6)]
    colors[3] = np.zeros_like(colors[3])
    write_bag(tmp_path / 'b', colors, [depth_mm(i) for i in range(6)])
    run(tmp_path / 'out', tmp_path / 'b', every='3')
    assert names(tmp_path / 'out') == [f'b_{START_NS + i * PERIOD_NS}' for i in (0, 4)]


def test_bag_that_was_cut_off_gives_what_is_whole_and_a_warning(tmp_path: Path) -> None:
    bag = good_bag(tmp_path / 'b', 40)
    (bag / 'metadata.yaml').unlink()
    file = bag / 'b.mcap'
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    (report,) = run(tmp_path / 'out', bag).reports
    assert 5 < report.kept < 35
    assert len(report.warnings) == len(set(report.warnings)) == 2
    assert 'has no metadata.yaml' in report.warnings[0]
    assert 'ends early' in report.warnings[1]
