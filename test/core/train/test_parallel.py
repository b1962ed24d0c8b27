"""Two real processes that train together, over gloo, against one alone."""

from __future__ import annotations

from dataclasses import replace
import json
import multiprocessing
import os
from pathlib import Path
import socket
import subprocess
import sys
from typing import Any

import pytest
import yaml

torch = pytest.importorskip('torch')

from small_run import CONFIG as SMALL  # noqa: E402
from train_in_part import train_forked  # noqa: E402

from m3l_core.errors import ConfigError  # noqa: E402
from m3l_core.train import trainer  # noqa: E402
from m3l_core.train.sources import open_sources  # noqa: E402

FORKED = multiprocessing.get_context('forkserver')
FORKED.set_forkserver_preload(['m3l_core.train.trainer'])  # which would take each process seconds

CHILD = Path(__file__).with_name('train_in_part.py')
CONFIG: dict[str, Any] = {
    'name': 'shared',
    'method': 'm3l_plus',
    # What each process decides from its own images is left out: CutMix, and whom to trust.
    'm3l_plus': {'strong_views': False, 'doubt': False},
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
    'save_every': 10,
}


def arguments(folder: Path, images: Path, until: int, seconds: str) -> list[str]:
    """Write the configuration of a run in `folder`; return what `train_in_part` takes."""
    folder.mkdir(exist_ok=True)
    config = folder / 'config.yaml'
    config.write_text(yaml.safe_dump(CONFIG))
    return [str(value) for value in (config, images, folder / 'run', until, seconds)]


def train(folder: Path, images: Path, *, processes: int, until: int = 20) -> str:
    """Train in `folder`, in processes set up as torchrun does; return what went wrong."""
    given = arguments(folder, images, until, 'inf,inf')
    with socket.create_server(('127.0.0.1', 0)) as free:
        port = free.getsockname()[1]
    said = [folder / f'said_{rank}' for rank in range(processes)]
    started = []
    for rank, path in enumerate(said):
        path.write_text('')
        environment = {'CUDA_VISIBLE_DEVICES': ''}
        if processes > 1:
            environment |= {
                'RANK': str(rank),
                'LOCAL_RANK': str(rank),
                'WORLD_SIZE': str(processes),
                'MASTER_ADDR': '127.0.0.1',
                'MASTER_PORT': str(port),
            }
        started.append(FORKED.Process(target=train_forked, args=(environment, path, given)))
        started[-1].start()
    for process in started:
        process.join(timeout=300)
        assert process.exitcode == 0
    return ''.join(path.read_text() for path in said)


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


def test_two_processes_end_at_the_weights_of_one_though_they_were_stopped(
    images: Path, tmp_path: Path
) -> None:
    assert not train(tmp_path / 'one', images, processes=1)
    assert not train(tmp_path / 'two', images, processes=2, until=12)
    assert state(tmp_path / 'two')['step'] == 10
    said = train(tmp_path / 'two', images, processes=1)
    assert 'holds a run with other values of processes' in said
    assert not train(tmp_path / 'two', images, processes=2)
    one, two = state(tmp_path / 'one'), state(tmp_path / 'two')
    assert one['step'] == two['step'] == 20
    assert 0 < furthest(one['student'], two['student']) < 1e-5
    assert 0 < furthest(one['teacher'], two['teacher']) < 1e-5
    assert furthest(one['student'], one['teacher']) > 1e-4  # weights moved by more than that
    assert scores(tmp_path / 'one') == pytest.approx(scores(tmp_path / 'two'), abs=0.5)


def test_a_batch_that_cannot_be_shared_evenly_is_refused(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, 'world_size', lambda: 2)
    with pytest.raises(ConfigError, match='batch_size: 3 cannot be shared evenly by 2 processes'):
        trainer.Trainer(replace(SMALL, batch_size=3), open_sources(images, 'train'), tmp_path)


def test_processes_of_torchrun_whose_clocks_differ_stop_together(
    images: Path, tmp_path: Path
) -> None:
    command = ['-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2', str(CHILD)]
    done = subprocess.run(
        [sys.executable, *command, *arguments(tmp_path / 'run', images, 20, '0,1000')],
        env=os.environ | {'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': ''},
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert state(tmp_path / 'run')['step'] == 1, done.stdout + done.stderr
