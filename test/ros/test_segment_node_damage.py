"""Whatever a message contains, the node goes on; real DDS."""

from __future__ import annotations

from array import array
from itertools import cycle
import random
from typing import Any, TYPE_CHECKING

from node_harness import (
    calibration,
    count_bad,
    DEPTH_SIZE,
    FRAME_ID,
    image_message,
    is_pair,
    RGB_SIZE,
    segment,
    SegmentProcess,
    values_of,
    wait_until,
)
import numpy as np
import pytest
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from m3l_core.frames import Modality

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from node_harness import Camera, Label, Watcher

DAMAGES = 40


def damaged(data: bytes) -> Iterator[bytes]:
    """Yield serialized messages that are cut, empty, not UTF-8, or changed at random."""
    yield data[:20]
    yield data[:4]
    yield data.replace(FRAME_ID.encode(), b'\xff' * len(FRAME_ID))
    chance = random.Random(0)
    for _ in range(DAMAGES):
        changed = bytearray(data)
        for _ in range(4):
            changed[chance.randrange(4, len(data))] = chance.randrange(256)
        yield bytes(changed)


@pytest.mark.parametrize(
    ('kind', 'topic'), [(Image, '/rgb/image'), (CameraInfo, '/rgb/camera_info')]
)
def test_bytes_that_are_no_message_end_nothing(
    kind: Any, topic: str, camera: Camera, watcher: Watcher, node: SegmentProcess
) -> None:
    watcher.wait_for_mode('RGBD')
    stamp = camera.node.get_clock().now().to_msg()
    pixels = np.random.default_rng(0).integers(0, 255, (8, 8, 3), np.uint8)
    good = calibration((8, 8), FRAME_ID)
    if kind is Image:
        good = image_message(pixels, 'rgb8', stamp, FRAME_ID)
    publisher = watcher.node.create_publisher(kind, topic, 100)
    for data in damaged(serialize_message(good)):
        publisher.publish(data)
    watcher.wait_for_masks(10)
    watcher.node.destroy_publisher(publisher)
    watcher.wait_for_mode('RGBD')
    assert node.process.poll() is None
    assert 'Traceback' not in node.log


@pytest.mark.usefixtures('node')
def test_bytes_that_are_no_message_are_counted_with_their_input(watcher: Watcher) -> None:
    publisher = watcher.node.create_publisher(Image, '/depth/image', 10)
    cut = serialize_message(Image())[:20]

    def is_counted(status: Any) -> bool:
        publisher.publish(cut)
        return int(values_of(status).get('dropped_malformed', 0)) > 2

    status = watcher.wait_for_diagnostic('depth', is_counted)
    assert 'but no image arrives (' in status.message
    assert status.message.endswith(' messages were none)')
    assert 'dropped_malformed' not in values_of(watcher.diagnostics['rgb'])
    watcher.node.destroy_publisher(publisher)


def test_bytes_that_are_no_image_are_counted_and_named(
    tmp_path: Path, model: Path, camera: Camera, watcher: Watcher
) -> None:
    chance = random.Random(0)
    transports = {'rgb_transport': 'compressed', 'depth_transport': 'compressedDepth'}
    with segment(tmp_path, model=model, always_on=True, **transports) as node:
        streams = {
            '/rgb/image/compressed': ('jpeg', b'\xff\xd8\xff'),
            '/depth/image/compressedDepth': ('16UC1; compressedDepth rvl', b''),
        }
        publishers = {
            topic: watcher.node.create_publisher(CompressedImage, topic, 10) for topic in streams
        }
        watcher.wait_for_diagnostic('engine', lambda s: s.message == 'READY')

        def have_publish(status: Any) -> bool:
            for topic, (encoding, start) in streams.items():
                message = CompressedImage(format=encoding)
                message.header.stamp = camera.node.get_clock().now().to_msg()
                message.data = start + chance.randbytes(200)
                publishers[topic].publish(message)
            bad = sum(int(n) for what, n in values_of(status).items() if what.startswith('bad: '))
            said = watcher.diagnostics['rgb'].message if 'rgb' in watcher.diagnostics else ''
            return bad > 20 and 'rgb_unreadable' in said

        watcher.wait_for_diagnostic('engine', have_publish)
        assert node.process.poll() is None
        assert 'Traceback' not in node.log
    for publisher in publishers.values():
        watcher.node.destroy_publisher(publisher)


def test_names_of_a_megabyte_are_told_in_a_line(
    camera: Camera, watcher: Watcher, node: SegmentProcess
) -> None:
    def rename(letter: str) -> Callable[[Image], None]:
        return lambda image: setattr(image.header, 'frame_id', letter * 1_000_000)

    watcher.wait_for_mode('RGBD')
    watcher.listen(PointCloud2, 'points')
    camera.bad = {Modality.RGB: rename('c'), Modality.DEPTH: rename('d')}
    said = watcher.wait_for_diagnostic(
        'engine', lambda s: 'expected the CameraInfo of' in s.message
    )
    assert f"ccc ...', got that of '{FRAME_ID}' on /rgb/camera_info. Remap" in said.message
    assert len(said.message) < 500
    node.wait_for_log("depth image: expected the frame_id 'ccc")
    assert len(node.log) < 500_000  # half a name


def test_points_without_calibration_name_the_topic(
    camera: Camera, watcher: Watcher, tmp_path: Path, model: Path
) -> None:
    camera.has_calibration = False
    with segment(tmp_path, model=model):
        watcher.listen(PointCloud2, 'points')
        problem = '~/points: no CameraInfo has come on /rgb/camera_info. Remap rgb/camera_info.'
        watcher.wait_for_diagnostic('engine', lambda status: problem in status.message)


FAILING_MIDDLEWARE = """
import sys
import rclpy
from m3l_perception import segment_node
from m3l_perception.compat import middleware_error

spin, calls = rclpy.spin_until_future_complete, []

def fail_once(*args):
    calls.append(1)
    if len(calls) == 1:
        raise middleware_error()('no message')
    return spin(*args)

rclpy.spin_until_future_complete = fail_once
sys.exit(segment_node.main())
"""


@pytest.mark.usefixtures('camera')
def test_middleware_that_refuses_a_message_ends_nothing(
    tmp_path: Path, model: Path, watcher: Watcher
) -> None:
    arguments = ['-c', FAILING_MIDDLEWARE, '--ros-args', '-p', f'model:={model}']
    node = SegmentProcess(tmp_path / 'log', arguments)
    try:
        watcher.wait_for_masks(2)
        assert 'middleware: no message' in node.log
    finally:
        assert node.end() == 0


def lying_step(image: Image) -> None:
    image.step = 1


def short_data(image: Image) -> None:
    image.data = array('B', b'x')


def huge_size(image: Image) -> None:
    image.height = image.width = image.step = 2**32 - 1


def unknown_encoding(image: Image) -> None:
    image.encoding = 'yuv9000'


def no_pixels(image: Image) -> None:
    image.height = image.width = image.step = 0


def test_damaged_images_are_counted_and_end_nothing(
    camera: Camera, watcher: Watcher, node: SegmentProcess
) -> None:
    watcher.wait_for_mode('RGBD')
    kinds = cycle((lying_step, short_data, huge_size, unknown_encoding, no_pixels))
    camera.bad = dict.fromkeys(Modality, lambda image: next(kinds)(image))
    wait_until(lambda: count_bad(watcher) > 20, 'counted frames')
    node.wait_for_log('color image: expected ')
    camera.bad = {}
    watcher.wait_for_labels('of pairs', is_pair, 5)
    assert node.process.poll() is None


@pytest.mark.usefixtures('node')
@pytest.mark.parametrize(
    ('damaged', 'used', 'size'),
    [(Modality.DEPTH, 'rgb', RGB_SIZE), (Modality.RGB, 'depth', DEPTH_SIZE)],
)
def test_good_image_of_a_pair_is_labeled_when_the_other_is_damaged(
    camera: Camera, watcher: Watcher, damaged: Modality, used: str, size: tuple[int, int]
) -> None:
    watcher.wait_for_labels('of pairs', is_pair)
    camera.bad = {damaged: short_data}

    def is_half_good(label: Label) -> bool:
        return label.stamp not in camera.stamps[damaged] and bool(label.said['problem'])

    for label in watcher.wait_for_labels('of a half good pair', is_half_good, 2):
        assert (label.used, label.size) == (used, size)
        assert 'expected' in label.said['problem']
