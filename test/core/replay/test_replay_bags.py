"""Many bags: scored together, side by side, in a folder each, with the engine of a node."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from recordings import write_bag
from replaying import replay, summary_of

from m3l_core.frames import RgbdFrame


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


def test_two_bags_of_one_name_do_not_mix(
    rooms: list[RgbdFrame], tiny_files: Path, tmp_path: Path
) -> None:
    bags = [write_bag(tmp_path / place / 'bag', rooms, count=4) for place in ('one', 'two')]
    replay(*bags, '--model', tiny_files, '--out', tmp_path / 'out')
    assert [run['folder'] for run in summary_of(tmp_path / 'out')['runs']] == [
        'runs/bag/none', 'runs/bag-2/none'
    ]  # fmt: skip


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
