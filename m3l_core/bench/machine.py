"""What this machine is, and what it can do at best: measured, as data sheets tell no clock."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
import os
from pathlib import Path
import platform
from time import perf_counter

import numpy as np

_COPY_BYTES = 1 << 27
"""Many times what caches hold; smaller copies would measure those."""

_LEAST_RUNS, _LEAST_S = 3, 0.3

_TELLING = ('avx', 'amx', 'fma', 'f16c', 'asimd', 'sve', 'bf16', 'i8mm')
"""How those flags begin or end that decide how fast a CPU multiplies."""


@dataclass(frozen=True)
class Processor:
    """The CPU, as far as it matters to engines."""

    model: str
    threads: int
    flags: tuple[str, ...]


def processor() -> Processor:
    """Return the name of the CPU, its threads, and those flags that matter here."""
    info: dict[str, str] = {}
    path = Path('/proc/cpuinfo')
    if path.is_file():
        lines = (line.partition(':') for line in path.read_text().splitlines())
        info = {key.strip(): value.strip() for key, _, value in lines}
    flags = (info.get('flags') or info.get('Features', '')).split()
    telling = tuple(f for f in flags if f.startswith(_TELLING) or f.endswith('bf16'))
    model = info.get('model name') or platform.processor() or platform.machine()
    return Processor(model, os.cpu_count() or 1, telling)


def copy_rate(threads: int = 0) -> float:
    """Return the bytes a second that memory takes and gives when it is copied.

    Each byte counts twice, read and written, as in the STREAM benchmark.
    """
    threads = threads or os.cpu_count() or 1
    source = np.ones(_COPY_BYTES // 8)
    target = np.zeros_like(source)
    parts = (np.array_split(array, threads) for array in (source, target))
    pieces = list(zip(*parts, strict=True))
    seconds: list[float] = []
    with ThreadPoolExecutor(threads) as pool:
        while len(seconds) < _LEAST_RUNS or sum(seconds) < _LEAST_S:
            start = perf_counter()
            list(pool.map(_copy, pieces))
            seconds.append(perf_counter() - start)
    return 2 * source.nbytes / min(seconds)


def _copy(pair: tuple[np.ndarray, np.ndarray]) -> None:
    """Copy one array into the other; NumPy lets other threads run meanwhile."""
    source, target = pair
    np.copyto(target, source)
