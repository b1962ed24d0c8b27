"""Faults on the way from a bag to its masks: what is labeled then, and in which mode."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from recordings import PERIOD_NS
from replaying import frames, records

from m3l_core.bags.reading import Bag
from m3l_core.bags.topics import DEPTH_TOPIC
from m3l_core.errors import ConfigError
from m3l_core.replay.scenario import FaultConfig

if TYPE_CHECKING:
    from recordings import ReplayIt

STORES = pytest.importorskip('rosbags.typesys')


def test_a_fault_that_ends_before_it_starts_in_this_bag_is_refused(replay_it: ReplayIt) -> None:
    with pytest.raises(ConfigError) as refusal:
        replay_it(FaultConfig(kind='drop', modality='rgb', start_s=2.0, end_share=0.5))
    assert str(refusal.value) == (
        'rgb drop: expected an end after its start, got 1.475 s after 2 s in a bag of 2.95 s. '
        'Change the scenario.'
    )


def test_a_dead_depth_camera_changes_what_masks_are_made_of_and_the_mode(
    replay_it: ReplayIt, tmp_path: Path
) -> None:
    summary = replay_it(FaultConfig(kind='drop', modality='depth', start_s=1.0, end_s=2.0))
    lone = [f for f in frames(tmp_path / 'run') if f['used'] == 'rgb']
    # The image of 2.0 s comes just before the depth that ends the silence, and does not wait.
    assert [round(f['received_s'] / 0.05) for f in lone] == list(range(20, 41))
    (fault,) = summary['faults']
    assert fault['expected_mode'] == 'RGB_ONLY'
    assert 0.2 < fault['switch_s'] < 0.4  # stale after 0.3 s from the last image
    assert 0.5 <= fault['recovery_s'] < 0.8
    assert summary['mode_seconds']['RGB_ONLY'] > 1.0
    transitions = [r for r in records(tmp_path / 'run') if r['type'] == 'transition']
    assert [t['mode'] for t in transitions] == ['RGB_ONLY', 'RGBD', 'RGB_ONLY', 'RGBD']


def test_a_dead_color_camera_lets_depth_take_over(replay_it: ReplayIt) -> None:
    summary = replay_it(FaultConfig(kind='drop', modality='rgb', start_s=1.0, end_s=2.0))
    assert summary['used']['depth'] > 15
    (fault,) = summary['faults']
    assert fault['switch_s'] is not None
    assert fault['longest_gap_s'] <= 4 * PERIOD_NS / 1e9 + 1e-6  # the promise, engine in no time


def test_black_images_are_left_out(replay_it: ReplayIt, tmp_path: Path) -> None:
    replay_it(FaultConfig(kind='blacken', modality='rgb', start_s=1.0, end_s=2.0))
    black = [f for f in frames(tmp_path / 'run') if f['sick']]
    assert [round(f['received_s'] / 0.05) for f in black] == list(range(20, 40))
    assert {f['used'] for f in black} == {'depth'}
    assert black[0]['sick']['rgb'].startswith('rgb_black')


def test_depth_that_is_not_registered_stands_in_when_nothing_else_comes(
    replay_it: ReplayIt, tmp_path: Path, bag_path: Path
) -> None:
    bag = with_topic_copied(bag_path, tmp_path / 'bag', DEPTH_TOPIC, '/depth/raw')
    summary = replay_it(
        FaultConfig(kind='drop', modality='rgb', start_s=1.0, end_s=2.0),
        FaultConfig(kind='drop', modality='depth', start_s=1.0, end_s=2.0),
        bag=bag,
        fallback_topic='/depth/raw',
    )
    stood_in = [f for f in frames(tmp_path / 'run') if f['reason'] == 'fallback']
    assert len(stood_in) > 10
    assert {f['used'] for f in stood_in} == {'depth'}
    assert {f['miou'] for f in stood_in} == {None}  # that camera sees something else
    assert summary['truth']['by_used'].keys() == {'rgbd'}


def with_topic_copied(source: Path, path: Path, topic: str, copy: str) -> Path:
    """Write a bag again, with the messages of one topic on another one too."""
    rosbag2 = pytest.importorskip('rosbags.rosbag2')
    store = STORES.get_typestore(STORES.Stores.ROS2_HUMBLE)
    plugin = rosbag2.StoragePlugin.SQLITE3
    with Bag(source) as bag, rosbag2.Writer(path, version=8, storage_plugin=plugin) as writer:
        connections = {
            name: writer.add_connection(name, bag.topics[original].type, typestore=store)
            for name, original in {**{name: name for name in bag.topics}, copy: topic}.items()
        }
        for raw in bag.raw_messages():
            writer.write(connections[raw.topic], raw.receive_ns, raw.data)
            if raw.topic == topic:
                writer.write(connections[copy], raw.receive_ns, raw.data)
    return path
