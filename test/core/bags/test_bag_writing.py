from __future__ import annotations

from typing import Any, TYPE_CHECKING

import numpy as np
import pytest

from m3l_core.bags.reading import Bag, TopicInfo
from m3l_core.bags.topics import CAMERA_INFO_TOPIC, DEPTH_TOPIC, FRAME_ID, LABELS_TOPIC, RGB_TOPIC
from m3l_core.bags.writing import BagWriter
from m3l_core.errors import BagError, FrameError
from m3l_core.stream.image_codec import decode_depth, decode_rgb, encode_jpeg

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip('rosbags')

RGB = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
DEPTH_MM = np.random.default_rng(1).integers(0, 9000, (24, 32), np.uint16)
LABELS = np.random.default_rng(2).integers(0, 13, (24, 32), np.uint8)
MATRIX = np.array([[500.0, 0, 16], [0, 501, 12], [0, 0, 1]])
STAMP_NS = 1_600_000_000_123_456_789


def write_one_of_each(path: Path, **options: Any) -> None:
    with BagWriter(path, **options) as writer:
        writer.write_rgb(RGB, STAMP_NS)
        writer.write_depth(DEPTH_MM, STAMP_NS + 5, receive_ns=STAMP_NS + 40)
        writer.write_labels(LABELS, STAMP_NS)
        writer.write_camera_info(MATRIX, (24, 32), STAMP_NS)


def messages(path: Path) -> dict[str, Any]:
    with Bag(path) as bag:
        return {message.topic: message.message for message in bag.messages()}


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_raw_images_come_back_as_they_went_in(tmp_path: Path) -> None:
    write_one_of_each(tmp_path / 'bag', transport='raw')
    by_topic = messages(tmp_path / 'bag')
    np.testing.assert_array_equal(decode_rgb(by_topic[RGB_TOPIC]), RGB)
    np.testing.assert_array_equal(np.rint(decode_depth(by_topic[DEPTH_TOPIC]) * 1000), DEPTH_MM)
    np.testing.assert_array_equal(by_topic[LABELS_TOPIC].data.reshape(24, 32), LABELS)


def test_compressed_depth_and_labels_come_back_as_they_went_in(tmp_path: Path) -> None:
    write_one_of_each(tmp_path / 'bag', transport='compressed')
    by_topic = messages(tmp_path / 'bag')
    depth_m = decode_depth(by_topic[f'{DEPTH_TOPIC}/compressedDepth'])
    np.testing.assert_array_equal(np.rint(depth_m * 1000), DEPTH_MM)
    np.testing.assert_array_equal(by_topic[LABELS_TOPIC].data.reshape(24, 32), LABELS)
    assert decode_rgb(by_topic[f'{RGB_TOPIC}/compressed']).shape == (24, 32, 3)


def test_headers_carry_the_stamp_and_the_frame(tmp_path: Path) -> None:
    write_one_of_each(tmp_path / 'bag', transport='raw')
    for topic, message in messages(tmp_path / 'bag').items():
        stamp_ns = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        assert stamp_ns == STAMP_NS + (5 if topic == DEPTH_TOPIC else 0)
        assert message.header.frame_id == FRAME_ID


def test_messages_come_in_the_order_of_receipt(tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'bag') as writer:
        for index in range(3):
            writer.write_rgb(RGB, STAMP_NS + index * 100)
            writer.write_depth(
                DEPTH_MM, STAMP_NS + index * 100, receive_ns=STAMP_NS + index * 100 + 150
            )
    with Bag(tmp_path / 'bag') as bag:
        received = [message.receive_ns - STAMP_NS for message in bag.messages()]
    assert received == [0, 100, 150, 200, 250, 350]


def test_camera_info_describes_an_undistorted_camera(tmp_path: Path) -> None:
    write_one_of_each(tmp_path / 'bag')
    info = messages(tmp_path / 'bag')[CAMERA_INFO_TOPIC]
    assert (info.height, info.width, info.distortion_model) == (24, 32, 'plumb_bob')
    assert info.k.tolist() == [500, 0, 16, 0, 501, 12, 0, 0, 1]
    assert info.p.tolist() == [500, 0, 16, 0, 0, 501, 12, 0, 0, 0, 1, 0]


def test_a_jpeg_is_passed_through(tmp_path: Path) -> None:
    jpeg = encode_jpeg(RGB)
    with BagWriter(tmp_path / 'bag') as writer:
        assert writer.write_encoded_rgb(jpeg, STAMP_NS) == (24, 32)
    message = messages(tmp_path / 'bag')[f'{RGB_TOPIC}/compressed']
    assert message.format == 'rgb8; jpeg compressed bgr8'
    assert message.data.tobytes() == jpeg


def write_and_fail(path: Path, error: BaseException, **options: Any) -> None:
    with BagWriter(path, **options) as writer:
        writer.write_rgb(RGB, STAMP_NS)
        raise error


@pytest.mark.parametrize('error', [FrameError('damaged'), KeyboardInterrupt()])
def test_an_error_leaves_nothing_behind(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)):
        write_and_fail(tmp_path / 'bag', error)
    assert files_in(tmp_path) == []


def test_depth_that_is_not_in_millimeters_is_refused(tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'bag') as writer:
        writer.write_rgb(RGB, STAMP_NS)
        with pytest.raises(FrameError, match='depth_mm: expected'):
            writer.write_depth(DEPTH_MM.astype(np.float32), STAMP_NS)  # type: ignore[arg-type]


def test_a_bag_without_messages_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(BagError, match='expected at least one message, got none to write'),
        BagWriter(tmp_path / 'bag'),
    ):
        pass
    assert files_in(tmp_path) == []


def test_a_bag_is_replaced_only_when_asked(tmp_path: Path) -> None:
    write_one_of_each(tmp_path / 'bag')
    with pytest.raises(BagError) as error:
        BagWriter(tmp_path / 'bag')
    assert str(error.value) == (
        f'{tmp_path}/bag: exists already. Give another name, or --force to replace it.'
    )
    with BagWriter(tmp_path / 'bag', force=True) as writer:
        writer.write_labels(LABELS, STAMP_NS)
    with Bag(tmp_path / 'bag') as bag:
        assert bag.topics == {LABELS_TOPIC: TopicInfo('sensor_msgs/msg/Image', 1)}
    assert files_in(tmp_path) == ['bag']


def test_the_old_bag_stays_when_its_replacement_fails(tmp_path: Path) -> None:
    write_one_of_each(tmp_path / 'bag')
    with pytest.raises(KeyboardInterrupt):
        write_and_fail(tmp_path / 'bag', KeyboardInterrupt(), force=True)
    assert len(messages(tmp_path / 'bag')) == 4


def test_a_folder_that_is_no_bag_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / 'photos').mkdir()
    with pytest.raises(BagError, match='expected a bag to replace, got something else'):
        BagWriter(tmp_path / 'photos', force=True)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / 'file').touch()
    with pytest.raises(BagError, match='file/bag: cannot be written: File exists'):
        BagWriter(tmp_path / 'file' / 'bag')
