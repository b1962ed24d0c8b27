"""Which topics of a bag hold color, depth and labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from small_bags import bag_with, COMPRESSED, IMAGE, INFO, RGB

from m3l_core.bags.reading import Bag
from m3l_core.bags.topics import DEPTH_TOPIC, find_topics, guess_topics, RGB_TOPIC, RgbdTopics
from m3l_core.bags.writing import BagWriter
from m3l_core.errors import BagError

if TYPE_CHECKING:
    from pathlib import Path


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
