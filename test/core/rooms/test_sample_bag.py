from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from m3l_core.bags.reading import Bag
from m3l_core.bags.topics import find_topics
from m3l_core.classes import NYU13
from m3l_core.samples import sample_bag
from m3l_core.stream.image_codec import decode_depth, decode_rgb

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytest.importorskip('rosbags')

SECOND = 1_000_000_000
MS = 1_000_000


class Recording:
    """Stamps, receive times and images of the sample bag, read once."""

    def __init__(self) -> None:
        self.stamps: dict[str, list[int]] = {'rgb': [], 'depth': [], 'labels': [], 'info': []}
        self.received: dict[str, list[int]] = {name: [] for name in self.stamps}
        self.rgb: list[NDArray[np.uint8]] = []
        self.depth_m: list[NDArray[np.float32]] = []
        self.labels: list[NDArray[np.uint8]] = []
        with Bag(sample_bag()) as bag:
            topics = find_topics(bag)
            names = {
                topics.rgb: 'rgb', topics.depth: 'depth', topics.labels: 'labels',
                topics.camera_info: 'info',
            }  # fmt: skip
            for entry in bag.messages():
                name, message = names[entry.topic], entry.message
                stamp = message.header.stamp
                self.stamps[name].append(stamp.sec * SECOND + stamp.nanosec)
                self.received[name].append(entry.receive_ns)
                if name == 'rgb':
                    self.rgb.append(decode_rgb(message))
                elif name == 'depth':
                    self.depth_m.append(decode_depth(message))
                elif name == 'labels':
                    self.labels.append(message.data.reshape(message.height, message.width))
                else:
                    self.camera_matrix = np.asarray(message.k).reshape(3, 3)


@pytest.fixture(scope='module')
def recording() -> Recording:
    return Recording()


def test_the_sample_bag_is_small_enough_for_the_repository() -> None:
    assert sum(file.stat().st_size for file in sample_bag().iterdir()) <= 6_000_000


def test_color_depth_labels_and_camera_info_come_at_ten_hertz(recording: Recording) -> None:
    for stamps in recording.stamps.values():
        assert len(stamps) >= 120
        np.testing.assert_allclose(np.diff(stamps), SECOND // 10)


def test_every_color_image_has_labels_of_its_stamp(recording: Recording) -> None:
    assert recording.stamps['labels'] == recording.stamps['rgb'] == recording.stamps['info']


def test_depth_is_taken_a_little_later_and_arrives_later_still(recording: Recording) -> None:
    taken = np.subtract(recording.stamps['depth'], recording.stamps['rgb'])
    arrived = np.subtract(recording.received['depth'], recording.received['rgb'])
    assert set(taken // MS) == {4}
    assert set(arrived // MS) == {30}


def test_images_are_320_by_240(recording: Recording) -> None:
    for images in (recording.rgb, recording.depth_m, recording.labels):
        assert {image.shape[:2] for image in images} == {(240, 320)}


def test_labels_are_ids_of_the_thirteen_classes_or_void(recording: Recording) -> None:
    ids = np.unique(np.stack(recording.labels))
    assert set(ids.tolist()) <= {*range(len(NYU13)), 255}


def test_every_class_is_seen(recording: Recording) -> None:
    counts = np.bincount(np.stack(recording.labels).ravel(), minlength=len(NYU13))
    assert (counts / counts.sum() > 0.01).all()


def test_depth_has_holes_and_else_the_ranges_of_a_room(recording: Recording) -> None:
    depth_m = np.stack(recording.depth_m)
    assert 0.02 < (depth_m == 0).mean() < 0.3
    seen = depth_m[depth_m > 0]
    assert seen.min() >= 0.4
    assert seen.max() <= 8.5


def test_the_camera_moves_between_all_images(recording: Recording) -> None:
    for before, after in zip(recording.rgb[:-1], recording.rgb[1:], strict=True):
        assert np.abs(before.astype(int) - after).mean() > 1


def test_the_camera_matrix_fits_the_images(recording: Recording) -> None:
    matrix = recording.camera_matrix
    assert matrix[0, 2] == pytest.approx(159.5)
    assert matrix[1, 2] == pytest.approx(119.5)
    assert 200 < matrix[0, 0] == matrix[1, 1] < 350
