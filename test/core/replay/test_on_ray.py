"""Bags on a Ray cluster: one that Ray starts on this machine, for the tests alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from recordings import write_bag

from m3l_core.cli import main
from m3l_core.frames import RgbdFrame

pytest.importorskip('ray')
pytestmark = pytest.mark.slow


@pytest.fixture
def bags(rooms: list[RgbdFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv('RAY_USAGE_STATS_ENABLED', '0')
    monkeypatch.setenv('RAY_DISABLE_IMPORT_WARNING', '1')
    return [str(write_bag(tmp_path / name, rooms[i:], count=8)) for i, name in enumerate('ab')]


def files_of(folder: Path, pattern: str) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.glob(pattern)}


def test_replays_give_the_same_records_as_without_a_cluster(
    bags: list[str], tiny_files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = str(tmp_path / 'none')
    command = ['replay', *bags, missing, '--model', str(tiny_files), '--threads', '1']
    records = []
    for name, options in (('cluster', ['--ray', 'local']), ('here', [])):
        out = tmp_path / name
        assert main([*command, '--out', str(out), *options]) == 2
        assert f'm3l: none: {missing}: expected a bag' in capsys.readouterr().err
        assert (out / 'report.html').is_file()
        records.append(files_of(out, 'runs/*/*/records.jsonl'))
    assert records[0] == records[1]
    assert len(records[0]) == 2


def test_extractions_give_the_same_pairs_as_without_a_cluster(
    bags: list[str], tmp_path: Path
) -> None:
    pairs = []
    for name, options in (('cluster', ['--ray', 'local']), ('here', [])):
        assert main(['extract', *bags, str(tmp_path / name), '--every', '2', *options]) == 0
        pairs.append(files_of(tmp_path / name, '*/*.[jp][pn]g'))
    assert pairs[0] == pairs[1]
    assert len(pairs[0]) >= 8
