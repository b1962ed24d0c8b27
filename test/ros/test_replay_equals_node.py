"""What is scored is what is deployed: the node's masks and those of a replay are the same."""

from __future__ import annotations

from dataclasses import fields
import json
import time
from typing import Any, TYPE_CHECKING
from zlib import crc32

from node_harness import is_pair, SegmentProcess, wait_until
import numpy as np
import pytest
import rclpy
from sensor_msgs.msg import CompressedImage

from m3l_core.bags.reading import Bag
from m3l_core.bags.topics import find_topics
from m3l_core.bags.writing import BagWriter
from m3l_core.cli import main
from m3l_core.replay.parameters import EngineSettings, LabelingSettings, read_parameters
from m3l_perception.cdr_stamp import with_stamp
from m3l_perception.parameters import LabelingConfig, NodeConfig

if TYPE_CHECKING:
    from pathlib import Path

    from node_harness import Watcher

COUNT, PERIOD_S, START_NS = 90, 0.05, 1_600_000_000_000_000_000
DEPTH_DEAD, RGB_DEAD = range(20, 40), range(55, 80)
ENOUGH = 10
"""Masks to compare of each kind; a busy machine may cost the node more than half of them."""

SLOWEST = 4
HOUR_NS = 3_600_000_000_000

PARAMETERS = """
/**:
  ros__parameters:
    model: {model}
    precision: float32
    threads: 1
    rgb_transport: compressed
    depth_transport: compressedDepth
    min_confidence: 0.08
    pair_wait: 0.2
"""


def make_bag(path: Path) -> Path:
    """Write moving noise; first depth is silent for a second, then color."""
    random = np.random.default_rng(0)
    rgb = random.integers(0, 255, (120, 160, 3), np.uint8)
    depth_mm = random.integers(500, 4000, (120, 160), np.uint16)
    with BagWriter(path, transport='compressed') as writer:
        for index in range(COUNT):
            stamp_ns = START_NS + round(index * PERIOD_S * 1e9)
            if index not in RGB_DEAD:
                writer.write_rgb(np.roll(rgb, index, 1), stamp_ns)
            if index not in DEPTH_DEAD:
                writer.write_depth(np.roll(depth_mm, index, 1), stamp_ns)
    return path


class Player:
    """Publishes the bag's bytes as they are, but for stamps that are hours later in later passes.

    These are slower as well, until the machine keeps up.
    """

    def __init__(self, bag: Path) -> None:
        self._node = rclpy.create_node('player')
        self._bag = bag
        self._passes = 0
        self._publishers: dict[str, Any] = {}
        with Bag(bag) as opened:
            topics = find_topics(opened)
        for recorded, topic in (
            (topics.rgb, 'rgb/image/compressed'),
            (topics.depth, 'depth/image/compressedDepth'),
        ):
            assert recorded is not None
            self._publishers[recorded] = self._node.create_publisher(CompressedImage, topic, 10)

    def wait_for_subscribers(self) -> None:
        heard = [publisher.get_subscription_count for publisher in self._publishers.values()]
        wait_until(lambda: all(count() for count in heard), 'subscriptions of the node')

    def play(self) -> None:
        later_ns, slower = self._passes * HOUR_NS, min(2**self._passes, SLOWEST)
        start = time.monotonic()
        with Bag(self._bag) as bag:
            for raw in bag.raw_messages(self._publishers):
                due = start + slower * (raw.receive_ns - bag.start_ns) / 1e9
                time.sleep(max(0.0, due - time.monotonic()))
                data = with_stamp(bytes(raw.data), lambda stamp_ns: stamp_ns + later_ns)
                self._publishers[raw.topic].publish(data)
        self._passes += 1

    def close(self) -> None:
        self._node.destroy_node()


def masks_of_node(watcher: Watcher) -> set[tuple[int, str, int]]:
    """Return the stamp of each mask, what it was made from, and its bytes as a number."""
    masks = set()
    for label in watcher.labels():
        seconds, nanoseconds = label.stamp
        in_bag_ns = START_NS + (seconds * 10**9 + nanoseconds - START_NS) % HOUR_NS
        used = 'rgbd' if is_pair(label) else label.used
        masks.add((in_bag_ns, used, crc32(bytes(label.mask.data))))
    return masks


def masks_of_replay(out: Path) -> dict[int, tuple[str, int]]:
    lines = (out / 'runs' / 'bag' / 'none' / 'records.jsonl').read_text().splitlines()
    records = [json.loads(line) for line in lines]
    return {
        record['stamp_ns']: (record['used'], record['labels_crc32'])
        for record in records
        if record['type'] == 'frame'
    }


def test_node_and_replay_give_the_same_mask_for_the_same_stamp(
    watcher: Watcher, model: Path, tmp_path: Path
) -> None:
    bag = make_bag(tmp_path / 'bag')
    file = tmp_path / 'segment.yaml'
    file.write_text(PARAMETERS.format(model=model))
    out = tmp_path / 'out'
    assert main(['replay', str(bag), '--params', str(file), '--out', str(out), '--no-report']) == 0
    of_replay = masks_of_replay(out)
    assert len(of_replay) > COUNT - 6  # depth waits for three periods before it takes over

    def alike() -> dict[str, set[int]]:
        """Return the stamps of what both made a mask from, by what that was."""
        stamps: dict[str, set[int]] = {'rgbd': set(), 'rgb': set(), 'depth': set()}
        for stamp, used, _ in masks_of_node(watcher):
            if stamp in of_replay and of_replay[stamp][0] == used:
                stamps[used].add(stamp)
        return stamps

    def is_enough_after_another_pass() -> bool:
        player.play()
        return all(len(stamps) >= ENOUGH for stamps in alike().values())

    player = Player(bag)
    command = ['-m', 'm3l_perception.segment_node', '--ros-args', '--params-file', str(file)]
    node = SegmentProcess(tmp_path / 'segment.log', command)
    try:
        node.wait_for_log('READY')
        player.wait_for_subscribers()
        wait_until(is_enough_after_another_pass, 'masks of each kind', alike)
    finally:
        node.end()
        player.close()
    of_node = masks_of_node(watcher)
    for used, stamps in alike().items():
        expected = {(stamp, *of_replay[stamp]) for stamp in stamps}
        assert {mask for mask in of_node if mask[0] in stamps and mask[1] == used} == expected
        assert len({number for _, _, number in expected}) > len(stamps) // 2  # masks do differ


@pytest.mark.parametrize(
    ('of_replay', 'of_node'), [(EngineSettings, NodeConfig), (LabelingSettings, LabelingConfig)]
)
def test_defaults_of_a_replay_are_those_of_the_node(of_replay: type, of_node: type) -> None:
    node = {field.name: field.default for field in fields(of_node)}
    for field in fields(of_replay):
        if not field.name.endswith('_transport'):  # a replay takes what the bag has
            assert node[field.name] == field.default, field.name


def test_a_replay_knows_every_parameter_of_the_node(tmp_path: Path) -> None:
    values = {f.name: f.default for cls in (NodeConfig, LabelingConfig) for f in fields(cls)}
    lines = [f'    {name}: {json.dumps(value)}' for name, value in values.items()]
    text = '/**:\n  ros__parameters:\n' + '\n'.join(lines) + '\n'
    (tmp_path / 'all.yaml').write_text(text)
    assert read_parameters(tmp_path / 'all.yaml').warnings == ()
