"""`m3l train` as a person runs it: what it says, and what it refuses before it begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from halves import write_halves
import pytest
import yaml

from m3l_core.cli import main

VALUES: dict[str, Any] = {
    'name': 'small',
    'steps': 1,
    'batch_size': 2,
    'phases': [{'size': [32, 32], 'share': 1.0}],
    'image_size': [48, 64],
    'network_size': [32, 32],
    'precision': 'float32',
}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    root = tmp_path / 'nyuv2'
    ids = [f'{number:04d}' for number in range(6)]
    write_halves(root, ids, {'train': ids, 'val': ids[4:]})
    return root


def train(images: Path, folder: Path, *arguments: str, **changes: object) -> int:
    config = folder / 'small.yaml'
    config.write_text(yaml.safe_dump(VALUES | changes))
    command = ['train', str(config), '--data', str(images), '--out', str(folder / 'run')]
    return main([*command, *arguments])


@pytest.mark.parametrize('minutes', ['nan', '-1', '0'])
def test_time_that_cannot_be_is_refused(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], minutes: str
) -> None:
    assert train(images, tmp_path, '--minutes', minutes) == 2
    said = capsys.readouterr().err
    assert said == f'm3l: --minutes: expected more than 0, got {minutes}.\n'
    assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize(('split', 'told'), [('train', False), ('trainval', True)])
def test_scores_on_what_was_learned_from_are_told_of(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], split: str, told: bool
) -> None:
    assert train(images, tmp_path, split=split) == 0
    said = 'images of NYUv2 val are among those learned from: scores on val say nothing'
    assert (said in capsys.readouterr().out) == told
