"""One engine in a process of its own, so that engines share neither threads nor memory.

Requests come as JSON lines on standard input and are answered on standard output; what libraries
print goes to standard error. The process ends with its standard input.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
import signal
import sys
from time import perf_counter
from typing import Any, TYPE_CHECKING

import numpy as np

from m3l_core.bench.frames import engine_inputs
from m3l_core.errors import M3lError
from m3l_core.runtime import open_engine
from m3l_core.runtime.parity import check_parity_file, MODES

if TYPE_CHECKING:
    from collections.abc import Callable

    from m3l_core.bench.frames import Inputs
    from m3l_core.runtime.engine import Engine

WARM_UP_FRAMES = 3


class Worker:
    """Answers requests about one engine.

    Args:
        model: The network.
        frames: A parity file to take images from.
        backend: Which engine.
        precision: What it computes in.
        threads: CPU threads; 0 for all.
        cache_dir: Where compiled networks are kept; None for the user's.
    """

    def __init__(
        self, model: str, frames: str, backend: str, precision: str, threads: int, cache_dir: str
    ) -> None:
        self._model, self._frames = Path(model), Path(frames)
        self._backend, self._precision, self._threads = backend, precision, threads
        self._cache_dir = Path(cache_dir) if cache_dir else None
        self._engine: Engine | None = None
        self._images: list[Inputs] = []
        self._done = 0

    def open(self) -> dict[str, Any]:
        """Open the engine, the library's import included."""
        warnings: list[str] = []
        start = perf_counter()
        self._engine = engine = open_engine(
            self._model,
            self._backend,
            precision=self._precision,
            threads=self._threads,
            cache_dir=self._cache_dir,
            may_build=False,  # it would be minutes, and count as the time to load
            warn=warnings.append,
        )
        seconds = perf_counter() - start
        self._images = engine_inputs(self._frames, engine.card)
        device = 'cuda' if self._backend == 'tensorrt' else getattr(engine, 'device', 'cpu')
        return {'seconds': seconds, 'device': device, 'warnings': warnings}

    def warm_up(self) -> dict[str, Any]:
        """Label some frames that do not count."""
        self.run(WARM_UP_FRAMES)
        self._done = 0
        return {}

    def run(self, frames: int) -> dict[str, Any]:
        """Label so many frames; return what each took."""
        assert self._engine is not None  # noqa: S101 - opened before
        times = []
        for _ in range(frames):
            inputs = self._images[self._done % len(self._images)]
            start = perf_counter()
            self._engine.run(*inputs)
            times.append(1e3 * (perf_counter() - start))
            self._done += 1
        return {'milliseconds': times}

    def parity(self, path: str) -> dict[str, Any]:
        """Compare the labels with those recorded when the network was exported."""
        assert self._engine is not None  # noqa: S101
        agreements = check_parity_file(self._engine, Path(path))
        return {mode: agreement.summary() for mode, agreement in agreements.items()}

    def labels(self, path: str) -> dict[str, Any]:
        """Write the labels of every frame in every mode, to compare engines with each other."""
        assert self._engine is not None  # noqa: S101
        by_mode: dict[str, list[np.ndarray]] = {}
        for rgb, depth, _ in self._images:
            for mode, present in MODES.items():
                given = np.array([present], np.float32)
                by_mode.setdefault(mode, []).append(self._engine.run(rgb, depth, given)[0].copy())
        arrays: dict[str, Any] = {mode: np.stack(labels) for mode, labels in by_mode.items()}
        np.savez(path, **arrays)
        return {}

    def memory(self) -> dict[str, Any]:
        """Return the most memory the process and its GPU part ever took, in MB."""
        return {'host_mb': _peak_mb(), 'gpu_mb': _gpu_peak_mb()}

    def rates(self) -> dict[str, Any]:
        """Return what the engine's device can do at best, None where nothing measures it."""
        try:
            return self._rates()
        except Exception:  # such as a torch without CUDA; the row is good without its limit
            return {'operations': None, 'bytes': None}

    def _rates(self) -> dict[str, Any]:
        if self._backend == 'openvino':
            from m3l_core.bench.machine import copy_rate
            from m3l_core.runtime.openvino_engine import product_rate

            rate = product_rate(self._precision, self._threads)
            return {'operations': rate, 'bytes': copy_rate(self._threads)}
        from m3l_core.bench import torch_rates

        device = 'cuda' if self._backend == 'tensorrt' else getattr(self._engine, 'device', 'cpu')
        return {
            'operations': torch_rates.product_rate(self._precision, device),
            'bytes': torch_rates.copy_rate(device, self._threads),
        }

    def layers(self) -> dict[str, Any]:
        """Return what each layer takes, where the engine tells."""
        if self._backend != 'openvino':
            return {'layers': []}
        from m3l_core.runtime.openvino_engine import layer_times

        found = layer_times(
            self._model, self._images[0], precision=self._precision, threads=self._threads
        )
        return {'layers': [layer._asdict() for layer in found]}


def main() -> int:
    """Answer requests until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asks decides what Ctrl-C means
    answers = os.fdopen(os.dup(sys.stdout.fileno()), 'w')
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    worker = Worker(**json.loads(sys.argv[1]))
    for line in sys.stdin:
        request = json.loads(line)
        answer = _answer(getattr(worker, request.pop('do')), request)
        answers.write(f'{json.dumps(answer)}\n')
        answers.flush()
    return 0


def _answer(method: Callable[..., dict[str, Any]], arguments: dict[str, Any]) -> dict[str, Any]:
    try:
        return method(**arguments)
    except M3lError as error:
        return {'error': str(error)}
    except Exception as error:  # whatever a library raises becomes a row of the table
        return {'error': f'{type(error).__name__}: {" ".join(str(error).split())}'}


def _peak_mb() -> float:
    """Return the largest resident size of this process."""
    status = Path('/proc/self/status')
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith('VmHWM:'):
                return int(line.split()[1]) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _gpu_peak_mb() -> float | None:
    """Return what PyTorch took of the GPU's memory, None if it did not."""
    torch = sys.modules.get('torch')
    if torch is None or not torch.cuda.is_available():
        return None
    return float(torch.cuda.max_memory_reserved()) / 2**20


if __name__ == '__main__':
    sys.exit(main())
