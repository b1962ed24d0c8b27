from __future__ import annotations

import json

import numpy as np
import pytest

from m3l_core.metrics import confusion_counts, expected_mean_iou
from m3l_core.replay.conditions import checked, Limits
from m3l_core.replay.scores import Comparison, robustness, TruthScores
from m3l_core.replay.timing import Histogram

NAMES = ('floor', 'wall')


def image(*values: int) -> np.ndarray:
    return np.array([values], np.uint8)


def test_expected_miou_weighs_what_may_fail() -> None:
    mean_iou = {'both': 40.0, 'depth_missing': 30.0, 'rgb_missing': 20.0}
    # (0.81 * 40 + 0.09 * 50) / (0.81 + 0.18)
    assert expected_mean_iou(mean_iou, 0.1) == pytest.approx(36.9 / 0.99)
    assert expected_mean_iou(mean_iou, 0.0) == 40.0
    found = robustness(mean_iou)
    assert found['mm_robust'] == 30.0
    assert found['expected']['0.1'] == pytest.approx(36.9 / 0.99, abs=1e-4)


def test_robustness_needs_all_three_conditions() -> None:
    assert robustness({'both': 40.0, 'depth_missing': 30.0}) == {
        'mm_robust': None,
        'expected': None,
    }


def test_scores_of_modes_and_images_come_from_summed_pixels() -> None:
    scores = TruthScores(NAMES)
    scores.add(confusion_counts(image(0, 0, 1, 1), image(0, 0, 1, 255), 2), 'rgbd', 'RGBD')
    scores.add(confusion_counts(image(1, 1, 1, 1), image(0, 1, 1, 1), 2), 'rgb', 'RGBD')
    found = scores.to_dict()
    assert found['by_used']['rgbd']['miou'] == 100.0
    assert found['by_used']['rgb']['iou'] == {'floor': 0.0, 'wall': 75.0}
    assert found['overall'] == found['by_mode']['RGBD']
    assert found['overall']['iou'] == {'floor': pytest.approx(66.6667), 'wall': 80.0}


def test_what_was_written_merges_to_what_was_counted_at_once() -> None:
    whole, merged = TruthScores(NAMES), TruthScores(NAMES)
    for number in range(3):
        part = TruthScores(NAMES)
        counts = confusion_counts(image(0, 1, number % 2), image(0, 1, 1), 2)
        for scores in (whole, part):
            scores.add(counts, 'rgb', 'RGB_ONLY')
            scores.without += number
        merged.add_dict(json.loads(json.dumps(part.to_dict())))
    assert merged.to_dict() == whole.to_dict()


def test_agreement_is_the_share_of_equal_pixels() -> None:
    comparison = Comparison(NAMES)
    masks = {'rgbd': image(0, 0, 1, 1), 'rgb': image(0, 0, 0, 1), 'depth': image(1, 1, 1, 1)}
    assert comparison.add(masks, None, 2) == {
        'rgbd_rgb': 75.0,
        'rgbd_depth': 50.0,
        'rgb_depth': 25.0,
    }
    other = Comparison(NAMES)
    other.add_dict(json.loads(json.dumps(comparison.to_dict())))
    assert other.to_dict() == comparison.to_dict()
    assert comparison.to_dict()['scores'] is None


def test_percentiles_are_of_the_labels_that_came() -> None:
    histogram = Histogram()
    for latency_ms in (*[10.0] * 98, 20.0, 30.0):
        histogram.add(latency_ms)
    assert histogram.percentile(0.5) == 10.0
    assert histogram.percentile(0.99) == 20.0
    assert histogram.percentile(1.0) == 30.0
    assert histogram.to_dict()['histogram'] == {'10': 98, '20': 1, '30': 1}
    assert Histogram().percentile(0.5) is None


@pytest.mark.parametrize(('limit', 'passed'), [(0.2, True), (0.199, False)])
def test_a_limit_that_is_just_reached_is_kept(limit: float, passed: bool) -> None:
    summary = {'frames': 1, 'longest_gap_s': 0.2, 'faults': [], 'truth': None}
    found = checked(Limits(longest_gap_s=limit), summary)
    assert found['passed'] is passed
    assert found['conditions'] == [
        {'name': 'longest gap', 'limit': f'<= {limit} s', 'got': '0.2 s', 'passed': passed}
    ]


def test_a_limit_on_what_was_not_measured_is_not_kept() -> None:
    summary = {
        'frames': 0,
        'longest_gap_s': None,
        'latency': {'p99_ms': None},
        'faults': [],
        'truth': None,
    }
    limits = Limits(longest_gap_s=9, latency_ms=9, switch_s=9, mean_iou={'overall': 0})
    found = checked(limits, summary)
    assert [condition['got'] for condition in found['conditions']] == [
        'never',
        'never',
        'no fault that a mode must follow',
        'no truth',
        '0',
    ]
    assert not found['passed']
