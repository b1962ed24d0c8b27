"""A worker that fails or dies is an error that says how, and none outlives its block."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from m3l_core.bench import process
from m3l_core.bench.process import WorkerProcess
from m3l_core.bench.worker import Worker
from m3l_core.errors import EngineError

if TYPE_CHECKING:
    from pathlib import Path


def settings(model: Path) -> dict[str, object]:
    return {
        'model': str(model),
        'frames': '',
        'backend': 'openvino',
        'precision': 'float32',
        'threads': 1,
        'cache_dir': '',
    }


def test_error_of_an_engine_comes_back_as_it_is(tmp_path: Path) -> None:
    with (
        WorkerProcess(**settings(tmp_path / 'no.onnx')) as worker,
        pytest.raises(EngineError, match=r'no\.onnx: no such file\. Give the path'),
    ):
        worker.ask('open')


def test_killed_process_is_named(tmp_path: Path) -> None:
    with WorkerProcess(**settings(tmp_path / 'no.onnx')) as worker:
        worker.ask('memory')
        os.kill(worker._process.pid, signal.SIGKILL)
        worker._process.wait()
        with pytest.raises(EngineError, match='its process ended with signal SIGKILL'):
            worker.ask('memory')


def test_worker_that_cannot_start_says_its_last_words(tmp_path: Path) -> None:
    with (
        WorkerProcess(**settings(tmp_path), unknown=1) as worker,
        pytest.raises(EngineError, match=r'exit code 1: TypeError: .*unknown'),
    ):
        worker.ask('memory')


def test_memory_is_that_of_the_worker(tmp_path: Path) -> None:
    with WorkerProcess(**settings(tmp_path / 'no.onnx')) as worker:
        assert 5 < worker.ask('memory')['host_mb'] < 500


def test_gpu_that_torch_cannot_measure_is_no_reason_to_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch_rates = pytest.importorskip('m3l_core.bench.torch_rates')

    def without_cuda(precision: str, device: str) -> float:
        raise AssertionError(f'Torch not compiled with CUDA enabled: {precision} {device}')

    monkeypatch.setattr(torch_rates, 'product_rate', without_cuda)
    worker = Worker(str(tmp_path), '', 'tensorrt', 'float16', 0, '')
    assert worker.rates() == {'operations': None, 'bytes': None}


def test_process_ends_with_its_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, '_PATIENCE_S', 300)  # by itself, however slow the machine
    with WorkerProcess(**settings(tmp_path / 'no.onnx')) as worker:
        worker.ask('memory')
        started: subprocess.Popen[str] = worker._process
    assert started.returncode == 0


def test_process_ends_when_the_block_is_interrupted(tmp_path: Path) -> None:
    started = []

    def interrupted() -> None:
        with WorkerProcess(**settings(tmp_path / 'no.onnx')) as worker:
            started.append(worker._process)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert started[0].poll() is not None
