"""Runs that were done already are kept, and those of other inputs are not taken for them."""

from __future__ import annotations

from pathlib import Path
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest
from recordings import START_NS, write_bag
from replaying import NO_PICTURES, replay, summary_of

from m3l_core.cli import main
from m3l_core.frames import RgbdFrame


def test_runs_that_are_done_are_not_done_again(
    short_bags: list[Path], tiny_files: Path, tmp_path: Path
) -> None:
    out = tmp_path / 'out'
    arguments = (short_bags[0], '--model', tiny_files, '--out', out)
    replay(*arguments)
    records = out / 'runs' / 'a' / 'none' / 'records.jsonl'
    before = records.stat().st_mtime_ns
    replay(*arguments, '--scenario', 'none', '--scenario', 'depth_dies')
    assert records.stat().st_mtime_ns == before
    assert (out / 'runs' / 'a' / 'depth_dies' / 'summary.json').is_file()
    replay(*arguments, '--latency', '70ms')  # other records would come of it
    assert records.stat().st_mtime_ns != before


def test_more_workers_and_more_bags_keep_the_runs_that_are_done(
    short_bags: list[Path], tiny_files: Path, tmp_path: Path
) -> None:
    command = ['replay', '--no-report', '--model', str(tiny_files), '--out', str(tmp_path)]
    assert main([*command, str(short_bags[0])]) == 0
    records = tmp_path / 'runs' / 'a' / 'none' / 'records.jsonl'
    before = records.stat().st_mtime_ns
    assert main([*command, *map(str, short_bags[:2]), '--workers', '2']) == 0
    assert records.stat().st_mtime_ns == before
    assert main([*command, str(short_bags[0]), '--threads', '1']) == 0  # now it was asked for
    assert records.stat().st_mtime_ns != before


def test_other_truth_is_scored_anew(
    short_bags: list[Path], tiny_files: Path, tmp_path: Path
) -> None:
    labels, ids = tmp_path / 'labels', tmp_path / 'ids.yaml'
    labels.mkdir()
    ids.write_text('{1: chair, 2: wall}')

    def class_of_truth(value: int) -> str:
        cv2.imwrite(str(labels / f'{START_NS}.png'), np.full((64, 96), value, np.uint8))
        replay(
            short_bags[0], '--model', tiny_files, '--out', tmp_path / 'out',
            '--truth', labels, '--truth-ids', ids,
        )  # fmt: skip
        (run,) = summary_of(tmp_path / 'out')['runs']
        pixels = np.sum(run['truth']['overall']['confusion'], axis=1)
        return run['classes'][int(pixels.argmax())]

    assert [class_of_truth(1), class_of_truth(2)] == ['chair', 'wall']
    ids.write_text('{1: chair, 2: sofa}')
    assert class_of_truth(2) == 'sofa'


def test_a_run_of_another_bag_of_the_same_name_is_not_replaced(
    rooms: list[RgbdFrame], tiny_files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bags = [write_bag(tmp_path / place / 'bag', rooms, count=4) for place in ('one', 'two')]
    out, model = tmp_path / 'out', ('--model', tiny_files)
    assert replay(bags[0], *model, '--out', out) == 0
    records = out / 'runs' / 'bag' / 'none' / 'records.jsonl'
    before = records.stat().st_mtime_ns
    assert replay(bags[1], *model, '--out', out) == 2
    assert records.stat().st_mtime_ns == before
    assert f'expected a run of {bags[1]}, got one of {bags[0]}.' in capsys.readouterr().err


KILLED = """
import os, signal, sys
from m3l_core.cli import main
from m3l_core.replay.records import Records

write = Records.write

def write_some(self, values, **measured):
    write(self, values, **measured)
    if values.get('index') == 20:  # of the second bag, for the first has no such
        os.kill(os.getpid(), signal.SIGKILL)

Records.write = write_some
sys.exit(main(sys.argv[1:]))
"""


def test_a_replay_that_was_killed_goes_on_where_it_was(
    rooms: list[RgbdFrame], short_bags: list[Path], tiny_files: Path, tmp_path: Path
) -> None:
    out = tmp_path / 'out'
    long = write_bag(tmp_path / 'long', rooms, count=40)
    arguments = [short_bags[0], long, '--model', tiny_files, '--out', out]
    command = [sys.executable, '-c', KILLED, 'replay', *map(str, arguments), *NO_PICTURES]
    partial = out / 'runs' / 'long' / '.none.partial' / 'records.jsonl'
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    assert done.returncode == -signal.SIGKILL
    assert partial.exists()
    first = out / 'runs' / 'a' / 'none' / 'summary.json'
    before = first.stat().st_mtime_ns
    assert not (out / 'runs' / 'long' / 'none').exists()
    assert replay(*arguments) == 0
    assert first.stat().st_mtime_ns == before
    assert not partial.exists()
    assert summary_of(out)['merged']['frames'] == 52
