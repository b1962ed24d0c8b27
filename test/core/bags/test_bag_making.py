from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import pytest

from m3l_core.bags.making import make_bag, START_NS
from m3l_core.bags.reading import Bag
from m3l_core.bags.topics import find_topics, RGB_TOPIC
from m3l_core.commands import bag as bag_command
from m3l_core.errors import BagError, DataError, M3lError
from m3l_core.stream.image_codec import decode_depth, decode_rgb, encode_jpeg, encode_png

pytest.importorskip('rosbags')

SIZE = (24, 32)
RANDOM = np.random.default_rng(0)
DEPTH_MM = RANDOM.integers(0, 9000, SIZE, np.uint16)
NYU40_IDS = RANDOM.integers(0, 41, SIZE, np.uint8)


def color_of(index: int) -> bytes:
    return encode_jpeg(np.full((*SIZE, 3), (index * 20, 100, 200), np.uint8))


@pytest.fixture
def side_by_side(tmp_path: Path) -> Path:
    folder = tmp_path / 'scene'
    folder.mkdir()
    for index in range(4):
        (folder / f'frame-{index:03}.color.jpg').write_bytes(color_of(index))
        (folder / f'frame-{index:03}.depth.png').write_bytes(encode_png(DEPTH_MM + index))
        (folder / f'frame-{index:03}.pose.txt').write_text('1 0 0 0')
    (folder / 'camera-intrinsics.txt').write_text('585 0 16\n0 585 12\n0 0 1\n')
    return folder


@pytest.fixture
def by_kind(tmp_path: Path) -> Path:
    folder = tmp_path / 'set'
    for name in ('rgb', 'depth', 'label40'):
        (folder / name).mkdir(parents=True)
    for index in range(3):
        (folder / 'rgb' / f'{index:04}.jpg').write_bytes(color_of(index))
        (folder / 'depth' / f'{index:04}.png').write_bytes(encode_png(DEPTH_MM))
    (folder / 'label40' / '0001.png').write_bytes(encode_png(NYU40_IDS))
    return folder


def test_frames_are_stamped_in_the_order_of_their_names(
    side_by_side: Path, tmp_path: Path
) -> None:
    assert make_bag(side_by_side, tmp_path / 'bag', rate_hz=10) == 4
    with Bag(tmp_path / 'bag') as bag:
        topics = find_topics(bag)
        assert [topic.count for topic in bag.topics.values()] == [4, 4, 4]
        assert topics.rgb is not None
        reds = []
        for index, message in enumerate(bag.messages([topics.rgb])):
            stamp = message.message.header.stamp
            assert stamp.sec * 10**9 + stamp.nanosec == START_NS + index * 10**8
            assert message.receive_ns == START_NS + index * 10**8
            reds.append(int(decode_rgb(message.message)[..., 0].mean()))
    np.testing.assert_allclose(reds, [0, 20, 40, 60], atol=3)


def test_the_camera_is_described_where_it_is_known(side_by_side: Path, tmp_path: Path) -> None:
    make_bag(side_by_side, tmp_path / 'bag', transport='compressed')
    with Bag(tmp_path / 'bag') as bag:
        info = next(bag.messages([find_topics(bag).camera_info or ''])).message
    assert (info.height, info.width) == SIZE
    assert info.k.tolist() == [585, 0, 16, 0, 585, 12, 0, 0, 1]


def test_jpegs_go_into_a_compressed_bag_as_they_are(side_by_side: Path, tmp_path: Path) -> None:
    make_bag(side_by_side, tmp_path / 'bag', transport='compressed')
    with Bag(tmp_path / 'bag') as bag:
        data = [x.message.data.tobytes() for x in bag.messages([f'{RGB_TOPIC}/compressed'])]
    assert data == [color_of(index) for index in range(4)]


def test_nyu40_labels_become_our_classes_where_there_are_labels(
    by_kind: Path, tmp_path: Path
) -> None:
    make_bag(by_kind, tmp_path / 'bag', rate_hz=10)
    with Bag(tmp_path / 'bag') as bag:
        (message,) = bag.messages([find_topics(bag).labels or ''])
    assert message.receive_ns == START_NS + 10**8
    assert message.message.encoding == 'mono8'
    labels = message.message.data.reshape(SIZE)
    assert set(labels[NYU40_IDS == 0]) == {255}  # void
    assert set(labels[NYU40_IDS == 1]) == {11}  # wall
    assert set(labels[NYU40_IDS == 4]) == {0}  # bed


def test_a_folder_named_labels_holds_our_classes(by_kind: Path, tmp_path: Path) -> None:
    (by_kind / 'label40').rename(by_kind / 'labels')
    ids = np.where(NYU40_IDS < 13, NYU40_IDS, 255).astype(np.uint8)
    (by_kind / 'labels' / '0001.png').write_bytes(encode_png(ids))
    make_bag(by_kind, tmp_path / 'bag')
    with Bag(tmp_path / 'bag') as bag:
        (message,) = bag.messages([find_topics(bag).labels or ''])
    np.testing.assert_array_equal(message.message.data.reshape(SIZE), ids)


def test_the_unknown_depth_of_7_scenes_is_no_reading(side_by_side: Path, tmp_path: Path) -> None:
    depth_mm = np.full(SIZE, 65535, np.uint16)
    depth_mm[0] = 1234
    (side_by_side / 'frame-000.depth.png').write_bytes(encode_png(depth_mm))
    make_bag(side_by_side, tmp_path / 'bag')
    with Bag(tmp_path / 'bag') as bag:
        message = next(bag.messages([find_topics(bag).depth or '']))
    depth_m = decode_depth(message.message)
    np.testing.assert_allclose(depth_m[0], 1.234, rtol=1e-6)
    assert not depth_m[1:].any()


@pytest.mark.parametrize(
    ('change', 'text'),
    [
        (
            lambda x: (x / 'depth' / '0001.png').unlink(),
            '{0}: expected a depth image for every color image, got none for 0001.jpg. '
            'Add depth/0001.png.',
        ),
        (
            lambda x: (x / 'rgb' / '0002.jpg').write_bytes(b'no image'),
            '{0}/rgb/0002.jpg: compressed color image: expected a JPEG or PNG, got 8 bytes that '
            'start with 6e 6f 20 69 6d 61 67 65. Choose the transport that is published.',
        ),
        (
            lambda x: (x / 'depth' / '0000.png').write_bytes(encode_png(NYU40_IDS)),
            '{0}/depth/0000.png: depth: expected a PNG with one channel of 16 bits, got a PNG '
            'of 32x24 8-bit gray. Choose the right topic or file.',
        ),
        (
            lambda x: (x / 'label40').rename(x / 'labels'),
            '{0}/labels/0001.png: expected class ids 0 to 12 and 255 for void, got 40. '
            'Name the folder label40 if these are NYU40 ids.',
        ),
        (
            lambda x: (x / 'camera-intrinsics.txt').write_text('1 2\n3 4\n'),
            '{0}/camera-intrinsics.txt: expected 3 rows of 3 numbers, got 2 rows of 2.',
        ),
    ],
)
def test_a_damaged_folder_is_refused_and_leaves_no_bag(
    by_kind: Path, tmp_path: Path, change: object, text: str
) -> None:
    change(by_kind)  # type: ignore[operator]
    with pytest.raises(DataError) as error:
        make_bag(by_kind, tmp_path / 'bag')
    assert str(error.value) == text.format(by_kind)
    assert [path.name for path in tmp_path.iterdir()] == ['set']


def test_a_damaged_jpeg_is_refused_where_it_would_be_passed_through(
    by_kind: Path, tmp_path: Path
) -> None:
    (by_kind / 'rgb' / '0000.jpg').write_bytes(color_of(0)[:-20])
    with pytest.raises(DataError, match=r'0000.jpg: rgb: expected a whole JPEG, got'):
        make_bag(by_kind, tmp_path / 'bag', transport='compressed')


def test_what_is_no_folder_of_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'expected NAME\.color\.jpg and NAME\.depth\.png'):
        make_bag(tmp_path, tmp_path / 'bag')
    with pytest.raises(DataError, match='expected a folder of images, got none'):
        make_bag(tmp_path / 'none', tmp_path / 'bag')


def test_a_rate_of_0_is_refused(by_kind: Path, tmp_path: Path) -> None:
    with pytest.raises(BagError, match='rate: expected more than 0 Hz, got 0'):
        make_bag(by_kind, tmp_path / 'bag', rate_hz=0)


def run_command(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    bag_command.add_arguments(parser)
    return bag_command.run(parser.parse_args(arguments))


def test_the_command_tells_what_it_made(
    side_by_side: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip('rich')
    bag = tmp_path / 'bag'
    assert run_command('make', str(side_by_side), str(bag), '--rate', '5') == 0
    assert capsys.readouterr() == (f'{bag}: 4 frames, 0.8 s at 5 Hz\n', '')
    with pytest.raises(M3lError, match='exists already'):
        run_command('make', str(side_by_side), str(bag))
    assert run_command('make', str(side_by_side), str(bag), '--force') == 0


def test_real_frames_come_back_pixel_by_pixel(data_folder: Path, tmp_path: Path) -> None:
    recorded = data_folder / 'sevenscenes'
    folder = tmp_path / 'ten'
    folder.mkdir()
    for path in sorted(recorded.glob('frame-00030*')):
        (folder / path.name).symlink_to(path)
    make_bag(folder, tmp_path / 'raw')
    make_bag(folder, tmp_path / 'compressed', transport='compressed')
    for name in ('raw', 'compressed'):
        with Bag(tmp_path / name) as bag:
            topics = find_topics(bag)
            assert topics.rgb is not None
            assert topics.depth is not None
            colors = [decode_rgb(x.message) for x in bag.messages([topics.rgb])]
            depths = [decode_depth(x.message) for x in bag.messages([topics.depth])]
        assert len(colors) == len(depths) == 10
        for index, (rgb, depth_m) in enumerate(zip(colors, depths, strict=True)):
            stem = f'{recorded}/frame-{300 + index:06}'
            np.testing.assert_array_equal(rgb[..., ::-1], cv2.imread(f'{stem}.color.jpg'))
            expected = cv2.imread(f'{stem}.depth.png', cv2.IMREAD_UNCHANGED)
            np.testing.assert_array_equal(np.rint(depth_m * 1000), expected)


def test_real_labels_come_back_pixel_by_pixel(data_folder: Path, tmp_path: Path) -> None:
    nyuv2 = data_folder / 'nyuv2'
    folder = tmp_path / 'two'
    for kind in ('rgb', 'depth', 'label40'):
        (folder / kind).mkdir(parents=True)
        for path in nyuv2.glob(f'{kind}/000[12].*'):
            (folder / kind / path.name).symlink_to(path)
    make_bag(folder, tmp_path / 'bag', transport='compressed')
    with Bag(tmp_path / 'bag') as bag:
        read = [x.message for x in bag.messages([find_topics(bag).labels or ''])]
    for index, message in enumerate(read):
        ids = cv2.imread(f'{nyuv2}/label40/{index + 1:04}.png', cv2.IMREAD_UNCHANGED)
        labels = message.data.reshape(ids.shape)
        assert set(labels[ids == 0]) <= {255}
        assert set(labels[ids == 1]) <= {11}
        assert set(labels[ids == 2]) <= {4}
