"""Which pictures are drawn of what is finished."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import pytest

pytest.importorskip('torch')
pytest.importorskip('matplotlib')

import numpy as np

from m3l_core.benchmark.grid import Run
from m3l_core.benchmark.plots import _with_seeds, plot
from m3l_core.benchmark.results import Result
from m3l_core.evaluate.conventions import DEPLOYED
from m3l_core.evaluate.image_counts import ImageCounts
from m3l_core.metrics import CONDITIONS
from m3l_core.train.config import Phase, TrainConfig

CONFIG = TrainConfig(name='x', steps=1, phases=(Phase(size=(32, 32), share=1.0),))


def result(method: str, labels: int, hits: int | None) -> Result:
    counts = None
    if hits is not None:
        right = np.array([[[hits, 100 - hits]]])
        counts = ImageCounts(('1',), ('wall',), dict.fromkeys(CONDITIONS, right))
    run = Run('x', method, labels, 0, CONFIG)
    return Result(run, '', {}, {}, (), DEPLOYED, counts)


def test_nothing_is_drawn_of_no_scores(tmp_path: Path) -> None:
    assert plot([result('m3l', 9, None)], tmp_path) == []
    assert not list(tmp_path.iterdir())


def test_one_label_count_makes_no_line(tmp_path: Path) -> None:
    assert plot([result('m3l', 9, 50), result('cps', 99, None)], tmp_path) == ['conditions.png']


def test_seeds_are_told_where_they_differ() -> None:
    found = [result('m3l', 9, 50), result('cps', 9, 50)]
    assert _with_seeds(found, ['m3l', 'cps']) == ['m3l', 'cps']
    again = replace(found[0], run=replace(found[0].run, seed=2))
    assert _with_seeds([*found, again], ['m3l', 'cps']) == ['m3l (seed 0, 2)', 'cps (seed 0)']


def test_methods_may_lack_label_counts(tmp_path: Path) -> None:
    found = [result('m3l', 9, 50), result('m3l', 99, 60), result('cps', 99, 40)]
    assert plot(found, tmp_path) == ['mm_robust.png', 'conditions.png']
    for name in ('mm_robust.png', 'conditions.png'):
        picture = cv2.imread(str(tmp_path / name))
        assert picture is not None
        assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 10  # something is drawn
