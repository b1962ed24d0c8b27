"""What a replay labels and records, and when: as a node would, and the same every time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from recordings import LOOSE_PLUGS, PERIOD_NS, START_NS
from replaying import frames, records

from m3l_core.frames import RgbdFrame
from m3l_core.replay.scenario import FaultConfig
from m3l_core.runtime import Segmenter

if TYPE_CHECKING:
    from recordings import ReplayIt

    from m3l_core.runtime import Segmentation


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
