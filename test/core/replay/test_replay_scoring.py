"""Masks of a replay against the labels of its bag."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from recordings import write_bag
from replaying import frames

from m3l_core.bags.reading import Bag
from m3l_core.bags.topics import find_topics
from m3l_core.frames import RgbdFrame
from m3l_core.metrics import confusion_counts
from m3l_core.replay.parameters import read_parameters
from m3l_core.replay.run import replay
from m3l_core.replay.scenario import FaultConfig, Scenario
from m3l_core.replay.setting import Options, Replayed
from m3l_core.runtime import Segmenter

if TYPE_CHECKING:
    from recordings import ReplayIt


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
