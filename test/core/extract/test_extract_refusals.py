"""Bags and folders that do not serve: what is said, and that nothing else suffers."""

from __future__ import annotations

from pathlib import Path

from extracting import good_bag, run
import pytest

from m3l_core.cli import main
from m3l_core.errors import ConfigError, DataError
from m3l_core.extract import ExtractConfig


def test_failed_bag_is_reported_and_stops_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing, good = tmp_path / 'none.mcap', good_bag(tmp_path / 'good', 2)
    assert main(['extract', str(missing), str(good), str(tmp_path / 'out')]) == 2
    said = capsys.readouterr()
    assert said.err == (
        f'm3l: {missing}: expected a bag (a rosbag2 folder, or a file .mcap, .db3, .bag), got '
        'nothing there. Check the path.\n'
    )
    assert said.out.endswith('out: 2 pairs of 1 bag\n')
    assert names_noted(tmp_path / 'out') == ['good']


def names_noted(out: Path) -> list[str]:
    return sorted(path.stem for path in out.glob('bags/*.name'))


def test_nothing_is_written_when_no_bag_can_be_extracted(tmp_path: Path) -> None:
    (tmp_path / 'text.mcap').write_text('no bag')
    bags = [tmp_path / 'nowhere', tmp_path / 'text.mcap', good_bag(tmp_path / 'good', 2)]
    out = tmp_path / 'out'
    assert main(['extract', *map(str, bags), str(out), '--rgb', '/not_in_it']) == 2
    assert not out.exists()


def test_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'out').write_text('mine')
    with pytest.raises(DataError, match=r'out: expected an empty folder .*, got a file\.'):
        run(tmp_path / 'out', good_bag(tmp_path / 'b', 1))


def test_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'thesis.tex').touch()
    with pytest.raises(DataError, match='expected an empty folder or one of m3l extract'):
        run(tmp_path, tmp_path / 'b')


def test_wrong_values_are_all_named() -> None:
    with pytest.raises(ConfigError) as refusal:
        ExtractConfig(every='often', distinct=-1, sharpness=1)
    assert str(refusal.value) == (
        "every: expected pairs such as 5 or seconds such as 0.5s, got 'often'; "
        'distinct: expected gray levels of 0 to 255, got -1; '
        'sharpness: expected at least 0 and below 1, got 1.'
    )
