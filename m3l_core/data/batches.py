"""Batches of random views, made ahead of the training step by threads.

Batch `step` is a function of the seed and the step alone, so a resumed run sees the same data.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from m3l_core.data.augment import random_view

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from m3l_core.data.samples import Samples


class Batch(NamedTuple):
    """B views: `rgb` `(B, H, W, 3)` uint8, `depth_m` `(B, H, W)`, `labels` `(B, H, W)` uint8."""

    rgb: Tensor
    depth_m: Tensor
    labels: Tensor


class Batches:
    """Makes the batch of any step.

    Args:
        samples: The data set; each of its samples is seen once before one is seen again.
        batch_size: Views in a batch.
        size_at: Height and width of the views at a step.
        seed: Decides order and augmentation.
        frame: See `random_view`.
    """

    def __init__(
        self,
        samples: Samples,
        *,
        batch_size: int,
        size_at: Callable[[int], tuple[int, int]],
        seed: int,
        frame: int = 0,
    ) -> None:
        self._samples = samples
        self._batch_size = batch_size
        self._size_at = size_at
        self._seed = seed
        self._frame = frame

    def make(self, step: int) -> Batch:
        """Return the batch of `step`, counted from 0."""
        generator = np.random.default_rng((self._seed, step))
        size = self._size_at(step)
        views = [
            random_view(self._samples[index], size, generator, frame=self._frame)
            for index in self._indices(step)
        ]
        return Batch(*(torch.from_numpy(np.stack(images)) for images in zip(*views, strict=True)))

    def stream(self, first: int, last: int, *, threads: int = 2) -> Iterator[Batch]:
        """Yield the batches of the steps in [first, last), a few made ahead."""
        pending: deque[Future[Batch]] = deque()
        with ThreadPoolExecutor(threads, thread_name_prefix='m3l-batches') as pool:
            try:
                for step in range(first, last):
                    pending.append(pool.submit(self.make, step))
                    if len(pending) > 2 * threads:
                        yield pending.popleft().result()
                while pending:
                    yield pending.popleft().result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _indices(self, step: int) -> list[int]:
        """Return which samples are in a batch: a walk through one shuffle after another."""
        count = len(self._samples)
        positions = range(step * self._batch_size, (step + 1) * self._batch_size)
        return [int(self._shuffle(p // count)[p % count]) for p in positions]

    def _shuffle(self, epoch: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.random.default_rng((self._seed, epoch, 1)).permutation(len(self._samples))
