"""What PyTorch reaches at best on a device: a large product, and a copy in its memory."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

import torch

from m3l_core.bench import machine

if TYPE_CHECKING:
    from collections.abc import Callable

_TYPES = {'float32': torch.float32, 'float16': torch.float16, 'bf16': torch.bfloat16}
_SIZE = {'cpu': 1536, 'cuda': 8192}
_LEAST_RUNS, _LEAST_S = 3, 0.5
_COPY_BYTES = 1 << 30


@torch.inference_mode()
def product_rate(precision: str, device: str) -> float:
    """Return the operations a second of a large matrix product."""
    size = _SIZE[device]
    left = torch.full((size, size), 0.5, dtype=_TYPES[precision], device=device)
    right, product = left.clone(), left.clone()
    return 2 * size**3 / _shortest(lambda: torch.mm(left, right, out=product), device)


@torch.inference_mode()
def copy_rate(device: str, threads: int) -> float:
    """Return the bytes a second of a copy, each counted as read and as written."""
    if device == 'cpu':
        return machine.copy_rate(threads)
    source = torch.ones(_COPY_BYTES, dtype=torch.uint8, device=device)
    target = source.clone()
    return 2 * _COPY_BYTES / _shortest(lambda: target.copy_(source), device)


def _shortest(work: Callable[[], object], device: str) -> float:
    seconds: list[float] = []
    while len(seconds) < _LEAST_RUNS or sum(seconds) < _LEAST_S:
        start = perf_counter()
        work()
        if device == 'cuda':
            torch.cuda.synchronize()
        seconds.append(perf_counter() - start)
    return min(seconds)
