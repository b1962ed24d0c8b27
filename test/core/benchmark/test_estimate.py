"""What a benchmark says is left follows from what was measured, or says nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

pytest.importorskip('torch')

from m3l_core.benchmark.estimate import estimate
from m3l_core.benchmark.grid import Run
from m3l_core.benchmark.pace import seconds_per_pixel
from m3l_core.benchmark.run_files import RunFiles
from m3l_core.train.config import Phase, TrainConfig

if TYPE_CHECKING:
    from pathlib import Path

PIXELS = 32 * 32
CONFIG = TrainConfig(
    name='small',
    steps=100,
    batch_size=2,
    phases=(Phase(size=(32, 32), share=1.0),),
    image_size=(32, 32),
    network_size=(32, 32),
    precision='float32',
)


def runs(out: Path) -> list[RunFiles]:
    return [RunFiles(out, Run(f'r{seed}', 'supervised', 9, seed, CONFIG)) for seed in (0, 1)]


def hour_per_pair(config: TrainConfig) -> float:
    assert config == CONFIG
    return 3600 / PIXELS


def no_pace(config: TrainConfig) -> float:
    raise AssertionError(config)


def test_nothing_measured_means_no_time(tmp_path: Path) -> None:
    assert estimate(runs(tmp_path)).text(1) == (
        '0 of 2 runs trained, 0 of 400 pairs, time left is known once a run has begun'
    )


def test_pace_of_this_machine_gives_the_time_and_is_told(tmp_path: Path) -> None:
    left = estimate(runs(tmp_path), hour_per_pair)
    assert left.text(2).endswith(
        'about 200 h 00 min of training left, by the pace of a step tried here just now'
    )


def test_runs_that_have_begun_give_the_time_without_a_try(tmp_path: Path) -> None:
    files = runs(tmp_path)
    files[0].folder.mkdir(parents=True)
    line = {'step': 50, 'loss': 1.0, 'seconds': 6000}  # 100 of 400 pairs, a minute each
    (files[0].folder / 'log.jsonl').write_text(json.dumps(line) + '\n')
    text = estimate(files, no_pace).text(1)
    assert text == '0 of 2 runs trained, 100 of 400 pairs, about 5 h 00 min of training left'


def test_pace_is_per_pixel_of_a_real_step() -> None:
    assert 0 < seconds_per_pixel(CONFIG) < 1
