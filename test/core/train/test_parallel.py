"""Two real processes that train together, over gloo, against one alone."""

from __future__ import annotations

from dataclasses import replace
import json
import os
from pathlib import Path
import subprocess
import sys
from typing import Any

import pytest
import yaml

torch = pytest.importorskip('torch')

from small_run import CONFIG as SMALL  # noqa: E402

from m3l_core.errors import ConfigError  # noqa: E402
from m3l_core.train import trainer  # noqa: E402
from m3l_core.train.sources import open_sources  # noqa: E402

CHILD = Path(__file__).with_name('train_in_part.py')
CONFIG: dict[str, Any] = {
    'name': 'shared',
    'method': 'm3l_plus',
    'labels': 6,
    'burn_in': 0.1,
    'steps': 20,
    'batch_size': 4,
    'phases': [{'size': [32, 48], 'share': 1.0}],
    'image_size': [48, 64],
    'network_size': [32, 48],
    'precision': 'float32',
    'optimizer': {'lr': 1.0e-4},
    'validate_every': 20,
    'save_every': 5,
}


def train(
    folder: Path, images: Path, *, processes: int, until: int = 20, seconds: str = 'inf,inf'
) -> str:
    """Train in `folder` and return what the processes said."""
    folder.mkdir(exist_ok=True)
    config = folder / 'config.yaml'
    config.write_text(yaml.safe_dump(CONFIG))
    command = [sys.executable]
    if processes > 1:
        command += ['-m', 'torch.distributed.run', '--standalone', f'--nproc-per-node={processes}']
    arguments = [str(path) for path in (CHILD, config, images, folder / 'run')]
    done = subprocess.run(
        [*command, *arguments, str(until), seconds],
        env=os.environ | {'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': ''},
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.stdout + done.stderr


def state(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = torch.load(folder / 'run' / 'state.pt', weights_only=True)
    return loaded


def scores(folder: Path) -> dict[str, float]:
    lines = (folder / 'run' / 'log.jsonl').read_text().splitlines()
    last: dict[str, float] = json.loads(lines[-1])
    return last


def furthest(mine: dict[str, Any], theirs: dict[str, Any]) -> float:
    """Return the largest difference of any two weights."""
    floats = (
        (mine[name], tensor) for name, tensor in theirs.items() if tensor.is_floating_point()
    )
    return max((a - b).abs().max().item() for a, b in floats)


def test_two_processes_end_at_the_weights_of_one_and_so_they_do_resumed(
    images: Path, tmp_path: Path
) -> None:
    train(tmp_path / 'one', images, processes=1)
    said = train(tmp_path / 'two', images, processes=2)
    one, two = state(tmp_path / 'one'), state(tmp_path / 'two')
    assert one['step'] == two['step'] == 20, said
    assert 0 < furthest(one['student'], two['student']) < 1e-5
    assert scores(tmp_path / 'one') == pytest.approx(scores(tmp_path / 'two'), abs=0.5)
    assert 0 < furthest(one['teacher'], two['teacher']) < 1e-5
    assert furthest(one['student'], one['teacher']) > 1e-4  # weights moved by more than that

    train(tmp_path / 'parts', images, processes=2, until=7)
    assert state(tmp_path / 'parts')['step'] == 5
    said = train(tmp_path / 'parts', images, processes=1)
    assert 'holds a run with other values of processes' in said
    train(tmp_path / 'parts', images, processes=2)
    assert furthest(state(tmp_path / 'parts')['student'], two['student']) == 0


def test_a_batch_that_cannot_be_shared_evenly_is_refused(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, 'world_size', lambda: 2)
    with pytest.raises(ConfigError, match='batch_size: 3 cannot be shared evenly by 2 processes'):
        trainer.Trainer(replace(SMALL, batch_size=3), open_sources(images, 'train'), tmp_path)


def test_processes_whose_clocks_differ_stop_together(images: Path, tmp_path: Path) -> None:
    said = train(tmp_path / 'run', images, processes=2, seconds='0,1000')
    assert state(tmp_path / 'run')['step'] == 1, said
