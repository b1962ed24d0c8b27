from __future__ import annotations

from dataclasses import fields, replace
import json
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from recordings import LOOSE_PLUGS, PERIOD_NS, START_NS, write_bag

from m3l_core.bags.reading import Bag
from m3l_core.bags.topics import DEPTH_TOPIC, find_topics
from m3l_core.bags.writing import BagWriter
from m3l_core.errors import BagError, ConfigError
from m3l_core.frames import RgbdFrame
from m3l_core.metrics import confusion_counts
from m3l_core.replay.parameters import read_parameters
from m3l_core.replay.run import replay
from m3l_core.replay.scenario import FaultConfig, Scenario
from m3l_core.replay.setting import Options, Replayed
from m3l_core.runtime import Segmenter
from m3l_core.stream.image_codec import decode_depth, decode_rgb

if TYPE_CHECKING:
    from recordings import ReplayIt

    from m3l_core.runtime import Segmentation


STORES = pytest.importorskip('rosbags.typesys')
IMAGE = 'sensor_msgs/msg/Image'


def records(folder: Path) -> list[dict]:
    lines = (folder / 'records.jsonl').read_text().splitlines()
    return [json.loads(line) for line in lines]


def frames(folder: Path) -> list[dict]:
    return [record for record in records(folder) if record['type'] == 'frame']


@pytest.mark.parametrize('engine_ms', [0.0, 70.0])
def test_the_same_inputs_give_the_same_records_byte_for_byte(
    replay_it: ReplayIt, tmp_path: Path, engine_ms: float
) -> None:
    for name in ('first', 'second'):
        replay_it(name=name, scenario=LOOSE_PLUGS, engine_ms=engine_ms, compare_every=7)
    first, second = (tmp_path / name / 'records.jsonl' for name in ('first', 'second'))
    assert first.read_bytes() == second.read_bytes()
    assert len(first.read_bytes().splitlines()) > 20


def test_another_seed_gives_other_records(replay_it: ReplayIt, tmp_path: Path) -> None:
    fault = FaultConfig(kind='drop', modality='depth', share=0.3)
    stamps = []
    for seed in (1, 2):
        replay_it(fault, name=f'run{seed}', seed=seed)
        stamps.append(
            [f['stamp_ns'] for f in frames(tmp_path / f'run{seed}') if f['used'] == 'rgb']
        )
    assert stamps[0] != stamps[1]


def test_without_a_latency_every_frame_is_labeled(replay_it: ReplayIt, tmp_path: Path) -> None:
    summary = replay_it()
    assert [f['stamp_ns'] for f in frames(tmp_path / 'run')] == [
        START_NS + index * PERIOD_NS for index in range(60)
    ]
    assert summary['used'] == {'rgbd': 60, 'rgb': 0, 'depth': 0}
    assert summary['drops'] == {'rgb': {}, 'depth': {}}


def test_a_bag_ends_with_its_last_image(
    replay_it: ReplayIt, rooms: list[RgbdFrame], tmp_path: Path
) -> None:
    """Its label topic goes on for another two minutes, which is no gap of the cameras."""
    bag = write_bag(tmp_path / 'bag', rooms, count=20, labels=False)
    longer = with_late_labels(bag, tmp_path / 'longer_bag', 120_000_000_000)
    with Bag(longer) as opened:
        assert opened.duration_ns > 100e9
    summary = replay_it(
        FaultConfig(kind='drop', modality='depth', start_share=0.5), bag=longer, name='longer'
    )
    assert summary['duration_s'] == 0.95
    assert summary['longest_gap_s'] < 0.5
    assert summary['faults'][0]['start_s'] == 0.475
    plain = replay_it(FaultConfig(kind='drop', modality='depth', start_share=0.5), bag=bag)
    for name in ('frames', 'used', 'transitions', 'mode_seconds', 'gaps', 'faults'):
        assert summary[name] == plain[name]


def with_late_labels(source: Path, path: Path, late_ns: int) -> Path:
    """Write a bag again with one more image on another topic, long after the others."""
    with Bag(source) as bag, BagWriter(path, transport='raw') as writer:
        for message in bag.messages():
            if message.topic == DEPTH_TOPIC:
                depth_mm = (1000 * decode_depth(message.message)).round().astype(np.uint16)
                writer.write_depth(depth_mm, message.receive_ns)
            else:
                writer.write_rgb(decode_rgb(message.message), message.receive_ns)
        size = depth_mm.shape
        writer.write_labels(np.zeros(size, np.uint8), message.receive_ns + late_ns)
    return path


def test_a_slow_engine_drops_frames_as_a_node_would(replay_it: ReplayIt, tmp_path: Path) -> None:
    summary = replay_it(engine_ms=120.0)  # of images every 50 ms
    taken = [f['taken_s'] for f in frames(tmp_path / 'run')]
    assert summary['frames'] == pytest.approx(60 * 50 / 120, abs=2)
    assert np.diff(taken).min() == pytest.approx(0.12)
    assert summary['drops']['rgb']['superseded'] == 60 - summary['frames']
    assert summary['latency']['max_ms'] <= 120 + 50


CLOCK_TIMES = {'taken_s', 'labeled_s', 'latency_ms', 'wait_ms', 'at_s'}


def times(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / 'times.jsonl').open()]


def test_what_was_measured_is_kept_out_of_the_records(replay_it: ReplayIt, tmp_path: Path) -> None:
    replay_it(engine_ms='measured')
    of_masks = [t for t in times(tmp_path / 'run') if t['type'] == 'frame']
    assert [t['stamp_ns'] for t in of_masks] == [f['stamp_ns'] for f in frames(tmp_path / 'run')]
    assert [t['index'] for t in of_masks] == list(range(len(of_masks)))
    assert all(t['engine_ms'] > 0 for t in of_masks)
    for t in of_masks:
        assert t['labeled_s'] - t['taken_s'] == pytest.approx(
            (t['decode_ms'] + t['engine_ms']) / 1e3, abs=1e-5
        )
    changes = [t for t in times(tmp_path / 'run') if t['type'] == 'transition']
    assert len(changes) == len(records(tmp_path / 'run')) - 1 - len(of_masks) > 0
    found = {key for record in records(tmp_path / 'run') for key in record}
    assert not found & {*CLOCK_TIMES, 'engine_ms', 'decode_ms'}


def test_times_that_are_the_same_every_time_stand_in_the_records(
    replay_it: ReplayIt, tmp_path: Path
) -> None:
    replay_it(engine_ms=30.0)
    found = {key for record in records(tmp_path / 'run') for key in record}
    assert found >= CLOCK_TIMES
    assert times(tmp_path / 'run')[0].keys() == {
        'type', 'index', 'stamp_ns', 'decode_ms', 'engine_ms'
    }  # fmt: skip


def test_an_engine_is_warm_before_its_time_counts(
    replay_it: ReplayIt, segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    labeled = 0
    segment = segmenter.segment

    def counted(frame: RgbdFrame) -> Segmentation:
        nonlocal labeled
        labeled += 1
        return segment(frame)

    monkeypatch.setattr(segmenter, 'segment', counted)
    summary = replay_it(engine_ms='measured', compare_every=0)
    assert labeled == summary['frames'] + 1


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


def test_masks_are_scored_against_the_label_topic(replay_it: ReplayIt) -> None:
    summary = replay_it(compare_every=1)
    truth = summary['truth']
    assert (truth['frames'], truth['without']) == (60, 0)
    assert truth['overall']['confusion'] == truth['by_used']['rgbd']['confusion']
    counted = np.sum([mode['confusion'] for mode in truth['by_mode'].values()], axis=0)
    np.testing.assert_array_equal(counted, truth['overall']['confusion'])
    assert truth['mm_robust'] is None  # no mask was made of one image alone
    scores = summary['compared']['scores']
    assert scores['both']['confusion'] == truth['overall']['confusion']
    mean = np.mean([scores[name]['miou'] for name in ('both', 'depth_missing', 'rgb_missing')])
    assert summary['compared']['mm_robust'] == pytest.approx(mean, abs=1e-3)


def test_without_depth_all_along_masks_score_as_pairs_without_their_depth(
    replay_it: ReplayIt,
) -> None:
    pairs = replay_it(name='pairs', compare_every=1)['compared']['scores']
    dropped = replay_it(FaultConfig(kind='drop', modality='depth'), name='dropped')
    alone = dropped['truth']['by_used']['rgb']
    assert alone['frames'] == 60
    assert alone['confusion'] == pairs['depth_missing']['confusion']


def test_the_record_of_a_mask_holds_its_own_score(replay_it: ReplayIt, tmp_path: Path) -> None:
    summary = replay_it()
    right = total = 0
    for record in frames(tmp_path / 'run'):
        total += 1
        right += record['accuracy']
    assert right / total == pytest.approx(summary['truth']['overall']['accuracy'], abs=1e-3)


def test_the_worst_frames_are_written_worst_first(replay_it: ReplayIt, tmp_path: Path) -> None:
    replay_it()
    worst = sorted((tmp_path / 'run' / 'worst').glob('*.json'))
    scores = [json.loads(path.read_text())['miou'] for path in worst]
    assert scores == sorted(scores)
    assert scores[0] == min(f['miou'] for f in frames(tmp_path / 'run'))
    labels = cv2.imread(str(worst[0]).replace('json', 'labels.png'), cv2.IMREAD_UNCHANGED)
    truth = cv2.imread(str(worst[0]).replace('json', 'truth.png'), cv2.IMREAD_UNCHANGED)
    hits = np.trace(confusion_counts(labels, truth, 13))
    record = json.loads(worst[0].read_text())
    assert 100 * hits / truth.size == pytest.approx(record['accuracy'], abs=1e-3)


def test_masks_of_depth_alone_are_scored_by_their_own_stamps(replay_it: ReplayIt) -> None:
    """A clock that is off moves the stamps of masks, not what was before the camera."""
    shifted = replay_it(
        FaultConfig(kind='clock_shift', modality='depth', ms=400),
        FaultConfig(kind='drop', modality='rgb'),
        name='shifted',
    )
    plain = replay_it(FaultConfig(kind='drop', modality='rgb'), name='plain')
    assert shifted['truth']['by_used'] == plain['truth']['by_used']


def test_stamps_of_depth_are_corrected_before_the_truth_is_looked_up(
    rooms: list[RgbdFrame], tiny_files: Path, segmenter: Segmenter, tmp_path: Path
) -> None:
    """The clock of depth is 5 s behind, and color is silent."""
    late_ns = 5_000_000_000
    bag_path = write_bag(tmp_path / 'bag', rooms, count=8, depth_behind_ns=late_ns)
    parameters = read_parameters(None, {'model': str(tiny_files), 'depth_stamp_offset': 5.0})
    with Bag(bag_path) as bag:
        replayed = Replayed(bag, find_topics(bag), segmenter, parameters, Options())
        drop = FaultConfig(kind='drop', modality='rgb')
        truth = replay(replayed, Scenario(faults=(drop,)), tmp_path)['truth']
    assert truth['by_used']['depth']['frames'] > 0
    assert truth['without'] == 0


def test_a_bag_without_one_image_is_refused(
    replay_it: ReplayIt, tmp_path: Path, frame: RgbdFrame
) -> None:
    with BagWriter(tmp_path / 'bag', transport='raw') as writer:
        assert frame.rgb is not None
        writer.write_rgb(frame.rgb, START_NS)
    with pytest.raises(BagError, match='expected a topic of depth images'):
        replay_it(bag=tmp_path / 'bag')


def test_a_bag_of_damaged_images_alone_is_refused(replay_it: ReplayIt, tmp_path: Path) -> None:
    rosbag2 = pytest.importorskip('rosbags.rosbag2')
    store = STORES.get_typestore(STORES.Stores.ROS2_HUMBLE)
    path, plugin = tmp_path / 'bag', rosbag2.StoragePlugin.MCAP
    with rosbag2.Writer(path, version=8, storage_plugin=plugin) as writer:
        for topic in ('/camera/color/image_raw', '/camera/depth/image_raw'):
            writer.write(writer.add_connection(topic, IMAGE, typestore=store), 7, bytes(8))
    with pytest.raises(BagError) as refusal:
        replay_it(bag=path)
    assert str(refusal.value).startswith(
        f'{path}: expected images on /camera/color/image_raw and /camera/depth/image_raw, got 2 '
        'messages are damaged and left out; the first: '
    )


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


def test_a_bag_of_ros_1_gives_the_same_masks(
    replay_it: ReplayIt, tmp_path: Path, bag_path: Path
) -> None:
    rosbag1 = pytest.importorskip('rosbags.rosbag1')
    store = STORES.get_typestore(STORES.Stores.ROS1_NOETIC)
    with Bag(bag_path) as bag, rosbag1.Writer(tmp_path / 'old.bag') as writer:
        connections = {
            name: writer.add_connection(name, topic.type, typestore=store)
            for name, topic in bag.topics.items()
        }
        for message in bag.messages():
            header = store.types['std_msgs/msg/Header'](
                0, message.message.header.stamp, message.message.header.frame_id
            )
            old = replace(message.message, header=header)
            image = store.types[IMAGE](**{f.name: getattr(old, f.name) for f in fields(old)})
            data = store.serialize_ros1(image, IMAGE)
            writer.write(connections[message.topic], message.receive_ns, data)
    faults = (
        FaultConfig(kind='freeze', modality='rgb', start_s=1.0, end_s=2.0),
        FaultConfig(kind='clock_shift', modality='depth', ms=10, start_s=1.0),
    )
    for name, path in (('old', tmp_path / 'old.bag'), ('new', bag_path)):
        replay_it(*faults, name=name, bag=path)
    assert frames(tmp_path / 'old') == frames(tmp_path / 'new')
