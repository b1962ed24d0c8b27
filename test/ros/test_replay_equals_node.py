"""What is scored is what is deployed: the node's masks and those of a replay are the same."""

from __future__ import annotations

from dataclasses import fields
import json
import time
from typing import Any, TYPE_CHECKING
from zlib import crc32

from diagnostic_msgs.msg import DiagnosticArray
from node_harness import SegmentProcess, stamp_of, values_of, wait_until
import numpy as np
import pytest
import rclpy
from sensor_msgs.msg import CompressedImage

from m3l_core.bags.reading import Bag
from m3l_core.bags.topics import find_topics
from m3l_core.bags.writing import BagWriter
from m3l_core.cli import main
from m3l_core.replay.parameters import EngineSettings, LabelingSettings, read_parameters
from m3l_perception.parameters import LabelingConfig, NodeConfig

if TYPE_CHECKING:
    from pathlib import Path

    from node_harness import Watcher

COUNT, PERIOD_S = 90, 0.05
DEPTH_DEAD, RGB_DEAD = range(20, 40), range(55, 80)

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
            stamp_ns = 1_600_000_000_000_000_000 + round(index * PERIOD_S * 1e9)
            if index not in RGB_DEAD:
                writer.write_rgb(np.roll(rgb, index, 1), stamp_ns)
            if index not in DEPTH_DEAD:
                writer.write_depth(np.roll(depth_mm, index, 1), stamp_ns)
    return path


class Player:
    """Publishes the bag's bytes as they are: the stamps, too, are those of the bag."""

    def __init__(self, bag: Path) -> None:
        self._node = rclpy.create_node('player')
        self._bag = bag
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
        start = time.monotonic()
        with Bag(self._bag) as bag:
            for raw in bag.raw_messages(self._publishers):
                due = start + (raw.receive_ns - bag.start_ns) / 1e9
                time.sleep(max(0.0, due - time.monotonic()))
                self._publishers[raw.topic].publish(bytes(raw.data))

    def close(self) -> None:
        self._node.destroy_node()


def masks_of_node(watcher: Watcher, statuses: list[Any]) -> dict[int, tuple[str, int]]:
    """Return what each mask was made from, and its bytes as a number, by stamp."""
    used = {stamp_of(message): values_of(message.status[0])['used'] for message in statuses}
    masks = {}
    for mask in watcher.masks:
        seconds, nanoseconds = stamp_of(mask)
        if (seconds, nanoseconds) in used:
            made_from = {'rgb+depth': 'rgbd'}.get(
                used[seconds, nanoseconds], used[seconds, nanoseconds]
            )
            masks[seconds * 10**9 + nanoseconds] = (made_from, crc32(bytes(mask.data)))
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
    statuses = watcher.listen(DiagnosticArray, 'status')
    player = Player(bag)
    command = ['-m', 'm3l_perception.segment_node', '--ros-args', '--params-file', str(file)]
    node = SegmentProcess(tmp_path / 'segment.log', command)
    try:
        node.wait_for_log('READY')
        player.wait_for_subscribers()
        player.play()
        wait_until(lambda: len(watcher.masks) > COUNT // 2, 'masks', lambda: node.log)
        time.sleep(0.5)
    finally:
        node.end()
        player.close()
    of_node = masks_of_node(watcher, statuses)

    out = tmp_path / 'out'
    assert main(['replay', str(bag), '--params', str(file), '--out', str(out), '--no-report']) == 0
    of_replay = masks_of_replay(out)
    made_from = [used for used, _ in of_replay.values()]
    assert len(of_replay) > COUNT - 6  # depth waits for three periods before it takes over
    # A busy machine may cost the node a frame or its partner; what it labels is the same.
    alike = [s for s in of_node if s in of_replay and of_node[s][0] == of_replay[s][0]]
    assert len(alike) > COUNT // 2
    assert {s: of_node[s] for s in alike} == {s: of_replay[s] for s in alike}
    for used in ('rgbd', 'rgb', 'depth'):
        same = [stamp for stamp in alike if of_node[stamp][0] == used]
        assert len(same) > made_from.count(used) // 2, used
        assert len({of_node[stamp][1] for stamp in same}) > len(same) // 2  # masks do differ


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
