"""What `m3l replay` prints, and the code it ends with."""

from __future__ import annotations

from pathlib import Path

import pytest
from recordings import write_bag
from replaying import replay

from m3l_core.frames import RgbdFrame


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


def test_a_bag_of_which_no_frame_is_labeled_does_not_pass(
    short_bags: list[Path], tiny_files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    silence = ', '.join(f'{{kind: drop, modality: {name}}}' for name in ('rgb', 'depth'))
    own = scenario(tmp_path, f'faults: [{silence}]')
    assert replay(short_bags[0], '--model', tiny_files, '--scenario', own) == 1
    assert 'NOT KEPT: a, own: masks >= 1, got 0' in capsys.readouterr().out


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
