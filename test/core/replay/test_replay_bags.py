"""Many bags, runs that were done already, and what the command says."""

from __future__ import annotations

import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
from recordings import START_NS, write_bag

from m3l_core.cli import main
from m3l_core.frames import RgbdFrame

NO_PICTURES = ['--no-report', '--precision', 'float32', '--threads', '1']


def replay(*arguments: object) -> int:
    return main(['replay', *map(str, arguments), *NO_PICTURES])


def summary_of(out: Path) -> dict:
    return json.loads((out / 'summary.json').read_text())


@pytest.fixture(scope='session')
def short_bags(rooms: list[RgbdFrame], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp('short')
    return [write_bag(folder / name, rooms[i:], count=12) for i, name in enumerate('abc')]


def test_bags_are_merged_by_their_confusion(
    short_bags: list[Path], tiny_files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replay(*short_bags, '--model', tiny_files, '--out', tmp_path / 'out') == 0
    summary = summary_of(tmp_path / 'out')
    assert [run['bag'] for run in summary['runs']] == ['a', 'b', 'c']
    parts = [run['truth']['overall']['confusion'] for run in summary['runs']]
    merged = summary['merged']['truth']['overall']
    assert merged['confusion'] == np.sum(parts, axis=0).tolist()
    assert merged['frames'] == 36
    assert f'{merged["miou"]:.2f} %' in capsys.readouterr().out


def test_processes_give_the_same_as_one(
    short_bags: list[Path], tiny_files: Path, tmp_path: Path
) -> None:
    for workers in (1, 2):
        out = tmp_path / str(workers)
        assert (
            replay(*short_bags[:2], '--model', tiny_files, '--out', out, '--workers', workers) == 0
        )
    for name in 'ab':
        one, two = (
            (tmp_path / workers / 'runs' / name / 'none' / 'records.jsonl').read_bytes()
            for workers in '12'
        )
        assert one == two


def test_a_bag_that_fails_stops_no_other(
    short_bags: list[Path], tiny_files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bags = (short_bags[0], tmp_path / 'none', short_bags[1])
    assert replay(*bags, '--model', tiny_files, '--out', tmp_path / 'out') == 2
    summary = summary_of(tmp_path / 'out')
    assert [run['bag'] for run in summary['runs']] == ['a', 'b']
    assert list(summary['failed']) == ['none']
    assert not summary['passed']
    assert f'm3l: none: {tmp_path}/none: expected a bag' in capsys.readouterr().err


def test_what_is_no_bag_is_one_line(
    tiny_files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / 'none'
    assert replay(missing, '--model', tiny_files, '--out', tmp_path / 'out') == 2
    printed = capsys.readouterr()
    assert printed.out == ''
    assert printed.err == (
        f'm3l: {missing}: expected a bag (a rosbag2 folder, or a file .mcap, .db3, .bag), got '
        'nothing there. Check the path.\n'
    )


def test_the_compiled_network_is_kept_where_the_node_keeps_it(
    short_bags: list[Path], tiny_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip('openvino')
    monkeypatch.setenv('M3L_CACHE', str(tmp_path / 'cache'))

    def kept() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in (tmp_path / 'cache').glob('*.blob')}

    command = (short_bags[0], '--model', tiny_files, '--backend', 'openvino', '--out')
    assert replay(*command, tmp_path / 'first') == 0
    compiled = kept()
    assert len(compiled) == 1
    assert replay(*command, tmp_path / 'second') == 0
    assert kept() == compiled


def test_what_is_odd_about_the_engine_is_told_as_the_node_does(
    short_bags: list[Path],
    tiny_files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv('M3L_CACHE', '~no-such-user/m3l')
    assert replay(short_bags[0], '--model', tiny_files) == 0
    assert 'm3l: warning: cache: expected a user with a home' in capsys.readouterr().err


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


def test_a_bag_of_which_no_frame_is_labeled_does_not_pass(
    short_bags: list[Path], tiny_files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    silence = ', '.join(f'{{kind: drop, modality: {name}}}' for name in ('rgb', 'depth'))
    own = scenario(tmp_path, f'faults: [{silence}]')
    assert replay(short_bags[0], '--model', tiny_files, '--scenario', own) == 1
    assert 'NOT KEPT: a, own: masks >= 1, got 0' in capsys.readouterr().out


def test_a_replay_that_was_killed_goes_on_where_it_was(
    rooms: list[RgbdFrame], short_bags: list[Path], tiny_files: Path, tmp_path: Path
) -> None:
    out = tmp_path / 'out'
    long = write_bag(tmp_path / 'long', rooms, count=300)
    arguments = [short_bags[0], long, '--model', tiny_files, '--out', out]
    command = [sys.executable, '-m', 'm3l_core', 'replay', *map(str, arguments), *NO_PICTURES]
    partial = out / 'runs' / 'long' / '.none.partial' / 'records.jsonl'
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        end = time.monotonic() + 60
        while not partial.exists():
            assert time.monotonic() < end, 'the second bag was not begun'
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    first = out / 'runs' / 'a' / 'none' / 'summary.json'
    before = first.stat().st_mtime_ns
    assert not (out / 'runs' / 'long' / 'none').exists()
    assert replay(*arguments) == 0
    assert first.stat().st_mtime_ns == before
    assert not partial.exists()
    assert summary_of(out)['merged']['frames'] == 312


def test_a_name_with_brackets_is_printed_and_paths_may_be_relative(
    rooms: list[RgbdFrame],
    tiny_files: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bag = write_bag(tmp_path / 'a[b]', rooms, count=3)
    monkeypatch.chdir(tiny_files.parent)
    arguments = ('--out', tmp_path / 'out')
    assert replay(bag, '--model', tiny_files.name, *arguments) == 0
    records = tmp_path / 'out' / 'runs' / 'a[b]' / 'none' / 'records.jsonl'
    before = records.stat().st_mtime_ns
    monkeypatch.chdir(tmp_path)
    assert replay(bag.name, '--model', tiny_files, *arguments) == 0
    assert records.stat().st_mtime_ns == before
    assert 'a[b] ' in capsys.readouterr().out


def test_two_bags_of_one_name_do_not_mix(
    rooms: list[RgbdFrame], tiny_files: Path, tmp_path: Path
) -> None:
    bags = [write_bag(tmp_path / place / 'bag', rooms, count=4) for place in ('one', 'two')]
    replay(*bags, '--model', tiny_files, '--out', tmp_path / 'out')
    assert [run['folder'] for run in summary_of(tmp_path / 'out')['runs']] == [
        'runs/bag/none', 'runs/bag-2/none'
    ]  # fmt: skip


def scenario(folder: Path, text: str) -> Path:
    path = folder / 'own.yaml'
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ('limits', 'code'),
    [
        ('longest_gap_s: 0.3', 0),
        ('longest_gap_s: 0.01', 1),
        ('latency_ms: 200, switch_s: 0.5', 0),
        ('switch_s: 0.1', 1),
        ('mean_iou: {overall: 0, rgb: 0}', 0),
        ('mean_iou: {depth: 0}', 1),  # no mask was made of depth alone: nothing was tested
        ('mean_iou: {overall: 99}', 1),
    ],
)
def test_limits_decide_the_exit_code(
    bag_path: Path, tiny_files: Path, tmp_path: Path, limits: str, code: int
) -> None:
    own = scenario(
        tmp_path,
        'faults: [{kind: drop, modality: depth, start_s: 1.0, end_s: 1.8}]\n'
        f'limits: {{{limits}}}\n',
    )
    assert replay(bag_path, '--model', tiny_files, '--scenario', own) == code


def test_a_switch_that_no_fault_asks_for_is_not_kept(
    bag_path: Path, tiny_files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = scenario(tmp_path, 'limits: {switch_s: 0.5}')
    assert replay(bag_path, '--model', tiny_files, '--scenario', own) == 1
    expected = 'own: switch <= 0.5 s, got no fault that a mode must follow'
    assert expected in capsys.readouterr().out


def refusal(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert replay(*arguments) == 2
    text = capsys.readouterr().err
    assert text.count('\n') == 1
    return text.strip()


def test_wrong_input_is_answered_in_one_line(
    short_bags: list[Path],
    tiny_files: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    rooms: list[RgbdFrame],
) -> None:
    bag, model = short_bags[0], ('--model', tiny_files)
    (tmp_path / 'text.txt').write_text('no bag')
    assert 'text.txt: expected a bag' in refusal(capsys, tmp_path / 'text.txt', *model)
    assert f'{bag}: expected the topic /depht, got /camera/' in refusal(
        capsys, bag, *model, '--depth-topic', '/depht'
    )
    assert f'{bag}: expected the topic /truth, got /camera/' in refusal(
        capsys, bag, *model, '--truth', '/truth'
    )
    assert '--truth: expected a folder of label images or a topic of' in refusal(
        capsys, bag, *model, '--truth', 'labels'
    )
    own = scenario(tmp_path, 'faluts: []')
    assert f'{own}.faluts: unknown key, expected one of' in refusal(
        capsys, bag, *model, '--scenario', own
    )
    own.write_text('seed: 2')
    (tmp_path / 'one').mkdir()
    other = scenario(tmp_path / 'one', 'seed: 1')
    assert '--scenario: expected files of different names, got own more than once' in refusal(
        capsys, bag, *model, '--scenario', own, '--scenario', other
    )
    half = write_bag(tmp_path / 'half', rooms, count=2, size=2)
    assert 'expected 96x64 pixels as the camera image has, got 48x32' in refusal(
        capsys, half, *model
    )
    assert '--latency: expected a time such as 30ms, got soon' in refusal(
        capsys, bag, *model, '--latency', 'soon'
    )
    assert '--ray: expected --out' in refusal(capsys, bag, *model, '--ray', 'auto')
    assert 'no such file' in refusal(capsys, bag, '--model', tmp_path / 'none.onnx')


def test_a_torn_bag_is_replayed_with_a_warning(
    rooms: list[RgbdFrame], tiny_files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = write_bag(tmp_path / 'torn', rooms, count=60)
    (bag / 'metadata.yaml').unlink()
    file = bag / 'torn.mcap'
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert replay(bag, '--model', tiny_files, '--out', tmp_path / 'out') == 0
    assert 20 < summary_of(tmp_path / 'out')['merged']['frames'] < 40
    assert 'torn.mcap: ends early' in capsys.readouterr().err
