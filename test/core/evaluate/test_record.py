"""Scores in the files they are of, and the count that shows a second look at test."""

from __future__ import annotations

from dataclasses import replace
import os
from pathlib import Path
import shutil

import pytest

from m3l_core.errors import ModelError
from m3l_core.evaluate.record import read_card, Record
from m3l_core.model_card import Calibration, ModeCalibration
from m3l_core.runtime import open_engine
from m3l_core.weights_file import with_card


@pytest.fixture
def files(tiny_files: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A graph and the checkpoint it was made from, to be written into."""
    graph = shutil.copy(tiny_files, tmp_path / 'm.onnx')
    weights = shutil.copy(tiny_files.with_suffix('.safetensors'), tmp_path / 'm.safetensors')
    return graph, weights


@pytest.mark.parametrize('scored', [0, 1])
def test_scores_go_into_the_file_and_its_twin(files: tuple[Path, Path], scored: int) -> None:
    record = Record(files[scored])
    assert record.test_scored('NYUv2') == 0
    record.write('test', 'NYUv2', {'both': 25.5})
    for path in files:
        assert read_card(path).metrics == {
            'test': {'NYUv2': {'both': 25.5}},
            'test_scored': {'NYUv2': 1},
        }
    assert set(record.files) == set(files)


def test_every_further_look_at_test_is_counted(files: tuple[Path, Path]) -> None:
    for times in (1, 2, 3):
        Record(files[times % 2]).write('test', 'NYUv2', {'both': times})
        for path in files:
            assert Record(path).test_scored('NYUv2') == times
    assert read_card(files[0]).metrics['test'] == {'NYUv2': {'both': 3}}


def test_test_images_of_another_data_set_are_counted_apart(files: tuple[Path, Path]) -> None:
    Record(files[0]).write('test', 'NYUv2', {'both': 1.0})
    Record(files[0]).write('test', 'mine', {'both': 2.0})
    Record(files[0]).write('test', 'mine', {'both': 3.0})
    for path in files:
        assert read_card(path).metrics == {
            'test': {'NYUv2': {'both': 1.0}, 'mine': {'both': 3.0}},
            'test_scored': {'NYUv2': 1, 'mine': 2},
        }


def test_the_same_weights_calibrated_otherwise_have_scores_of_their_own(
    files: tuple[Path, Path],
) -> None:
    graph, weights = files
    fitted = ModeCalibration(rgb_share=0.9, temperature=2.0)
    calibration = Calibration(both=fitted, depth_missing=fitted, rgb_missing=fitted)
    card = read_card(weights).recalibrated(calibration)
    weights.write_bytes(with_card(weights.read_bytes(), card))
    before = weights.read_bytes()
    record = Record(graph)
    assert record.files == [graph]
    record.write('test', 'NYUv2', {'both': 25.5})
    assert weights.read_bytes() == before


def test_val_is_not_counted_and_leaves_test_alone(files: tuple[Path, Path]) -> None:
    Record(files[0]).write('test', 'NYUv2', {'both': 1.0})
    Record(files[0]).write('val', 'NYUv2', {'both': 2.0})
    assert read_card(files[1]).metrics == {
        'test': {'NYUv2': {'both': 1.0}},
        'test_scored': {'NYUv2': 1},
        'val': {'both': 2.0},
    }


def test_files_work_as_before(files: tuple[Path, Path]) -> None:
    Record(files[0]).write('test', 'NYUv2', {'both': 25.5})
    assert open_engine(files[0], 'torch').card.metrics['test_scored'] == {'NYUv2': 1}
    assert open_engine(files[1], 'torch').card.metrics['test_scored'] == {'NYUv2': 1}


def test_other_weights_beside_it_are_left_alone(files: tuple[Path, Path]) -> None:
    graph, weights = files
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    Record(graph).write('test', 'NYUv2', {'both': 25.5})
    assert weights.read_bytes() == data


def test_the_count_of_a_copy_is_not_lost(files: tuple[Path, Path]) -> None:
    graph, weights = files
    card = replace(read_card(weights), metrics={'test_scored': {'NYUv2': 4}})
    weights.write_bytes(with_card(weights.read_bytes(), card))
    assert Record(graph).test_scored('NYUv2') == 4


def test_a_file_that_cannot_be_written_is_named_before_scoring(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, 'access', lambda *_: False)  # root may write everywhere
    with pytest.raises(ModelError, match=r'm\.onnx: cannot be written'):
        Record(files[0])
