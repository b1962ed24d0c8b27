"""What may be said about a gain, before and after all seeds are there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('torch')

from m3l_core.benchmark.comparing import compare, Comparison
from m3l_core.benchmark.grid import Grid, Run
from m3l_core.benchmark.report import write_report
from m3l_core.benchmark.results import Result, scores_of
from m3l_core.evaluate.conventions import DEPLOYED
from m3l_core.evaluate.image_counts import ImageCounts
from m3l_core.metrics import CONDITIONS
from m3l_core.train.config import Phase, TrainConfig

GRID = Grid(
    base={},
    methods=('m3l', 'cps'),
    labels=(9,),
    compare=(('m3l', 'cps'),),
)
CONFIG = TrainConfig(name='x', steps=1, phases=(Phase(size=(32, 32), share=1.0),))


def counts(percent: float) -> ImageCounts:
    """Return counts whose mIoU is `percent` in every condition, of 30 images of 10 scenes."""
    right = round(100 * percent)
    of_image = np.zeros((30, 2, 3), np.int64)
    for index in range(2):
        of_image[:, index, index] = right
        of_image[:, index, 2] = 10_000 - right
    ids = tuple(str(10 * scene + one) for scene in range(10) for one in range(3))
    return ImageCounts(ids, ('wall', 'floor'), dict.fromkeys(CONDITIONS, of_image))


def results(ours: list[float | None], theirs: list[float | None]) -> list[Result]:
    return [
        Result(
            run=Run(f'{method}_{seed}', method, 9, seed, CONFIG),
            status='not begun' if score is None else 'finished',
            began_with={},
            training={},
            codes=(),
            convention=DEPLOYED,
            counts=None if score is None else counts(score),
        )
        for method, scores in (('m3l', ours), ('cps', theirs))
        for seed, score in enumerate(scores)
    ]


def compared(ours: list[float | None], theirs: list[float | None]) -> list[Comparison]:
    found = results(ours, theirs)
    return compare(GRID, [result.run for result in found], found)


def test_scores_and_what_to_expect_are_computed_from_the_counts() -> None:
    matrix = np.array([[[6, 2, 0], [0, 3, 1]]])
    no_depth, no_rgb = np.array([[[8, 0, 0], [4, 0, 0]]]), np.array([[[4, 4, 0], [0, 4, 0]]])
    of_run = {'both': matrix, 'depth_missing': no_depth, 'rgb_missing': no_rgb}
    scores = scores_of(ImageCounts(('1',), ('wall', 'floor'), of_run))
    assert scores['both'] == pytest.approx(100 * (6 / 8 + 3 / 6) / 2)
    assert scores['depth_missing'] == pytest.approx(100 * (8 / 12 + 0) / 2)
    assert scores['rgb_missing'] == pytest.approx(50)
    assert scores['mm_robust'] == pytest.approx((62.5 + 100 / 3 + 50) / 3)
    assert scores['expected_0.2'] == pytest.approx(
        (0.64 * 62.5 + 0.16 * (100 / 3 + 50)) / (0.64 + 0.32)
    )


@pytest.mark.parametrize(
    ('ours', 'verdict'),
    [
        ([31.5, 32.0, 33.0], 'reached'),
        ([31.5, 31.5, 31.5], 'reached'),
        ([31.4, 31.4, 31.5], 'not reached'),  # less than 1.5 points
        ([29.9, 33.0, 33.0], 'not reached'),  # not with every seed
        ([31.5, 32.0, None], 'open'),
        ([33.0, None, None], 'open'),
    ],
)
def test_a_gain_is_reached_at_one_and_a_half_points_with_every_seed(
    ours: list[float | None], verdict: str
) -> None:
    (comparison,) = compared(ours, [30.0, 30.0, 30.0])
    assert comparison.verdict == verdict


def test_two_seeds_reach_nothing() -> None:
    (comparison,) = compared([35.0, 35.0], [30.0, 30.0])
    assert comparison.verdict == 'not reached'


def test_only_seeds_of_both_methods_are_compared() -> None:
    (comparison,) = compared([31.0, None, 33.0], [None, 30.0, 31.0])
    assert comparison.seeds == (2,)
    assert comparison.missing_seeds == 2
    assert comparison.paired.of_seeds == pytest.approx((2.0,))
    assert not compared([31.0, None], [None, 30.0])


def test_the_sentence_tells_gain_intervals_and_seeds() -> None:
    (comparison,) = compared([31.0, 32.0, 36.0], [30.0, 30.0, 30.0])
    interval = comparison.paired.interval
    assert interval is not None
    assert comparison.sentence() == (
        'm3l over cps with 9 labels: reached: mean gain +3.0 points of MM-Robust '
        f'[{interval[0]:+.1f}, {interval[1]:+.1f}], positive in 3 of 3 seeds. '
        "By Student's t over 3 seeds alone [-3.6, +9.6]: not established for other seeds."
    )


def test_a_variant_is_not_held_to_the_headline() -> None:
    (comparison,) = compared([31.0], [30.0])
    assert 'with 9 labels: not reached: mean gain' in comparison.sentence()
    assert 'with 9 labels: mean gain' in replace(comparison, headline=False).sentence()


def test_the_sentence_says_what_is_to_come() -> None:
    (comparison,) = compared([31.0, None, None], [30.0, 30.0, 30.0])
    assert 'open: mean gain +1.0' in comparison.sentence()
    assert 'positive in 1 of 1 seed so far, 2 to come.' in comparison.sentence()


def test_a_page_without_any_score_says_so(tmp_path: Path) -> None:
    found = results([None], [None])
    assert write_report(tmp_path, 'early', GRID, found, 'val') == []
    text = (tmp_path / 'table.md').read_text()
    assert '0 of 2 runs are finished.' in text
    assert '| m3l_0 | 9 | 0 |' in text


def test_runs_of_other_code_are_told_of(tmp_path: Path) -> None:
    found = results([31.0], [30.0])
    for codes, told in ((('0.1 abc',), False), (('0.1 abc', '0.1 def'), True)):
        changed = [replace(found[0], codes=('0.1 abc',)), replace(found[1], codes=codes)]
        write_report(tmp_path, 'page', GRID, changed, 'val')
        text = (tmp_path / 'table.md').read_text()
        assert ('Not all runs were trained by the same state of the code' in text) == told


def test_three_seeds_are_said_to_establish_nothing_under_two_points(tmp_path: Path) -> None:
    write_report(tmp_path, 'page', GRID, results([31.0] * 3, [30.0] * 3), 'val')
    text = (tmp_path / 'table.md').read_text()
    assert (
        'With 3 seeds these are too narrow for what other seeds would give, where t = 4.3: a '
        'difference of less than about 2 points is not established.'
    ) in text
    assert '| m3l | 9 | 0, 1, 2 | 31.0 | 31.0 | 31.0 | 31.0 (31.0 to 31.0) |' in text
    assert '| m3l over cps | 9 | +1.0 [+1.0, +1.0] |' in text


def test_more_seeds_leave_it_to_students_t(tmp_path: Path) -> None:
    write_report(tmp_path, 'page', GRID, results([31.0] * 4, [30.0] * 4), 'val')
    text = (tmp_path / 'table.md').read_text()
    assert "for what other seeds would give, of which Student's t tells." in text
    assert 'is not established' not in text
