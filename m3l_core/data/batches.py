"""Batches of random views, made ahead of the training step by threads.

Batch `step` is a function of the seed and the step alone, so a resumed run sees the same data.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from m3l_core.data.augment import random_view
from m3l_core.data.cutmix import cutmix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from m3l_core.data.augment import View
    from m3l_core.data.samples import Samples


class Batch(NamedTuple):
    """B views: `rgb` `(B, H, W, 3)` uint8, `depth_m` `(B, H, W)`, `labels` `(B, H, W)` uint8."""

    rgb: Tensor
    depth_m: Tensor
    labels: Tensor


@dataclass(frozen=True, kw_only=True)
class Batches:
    """Makes the batch of any step.

    Attributes:
        samples: The data set; each of its samples is seen once before one is seen again.
        rendered: Frames that take the place of some samples, drawn at random.
        batch_size: Views in a batch.
        size_at: Height and width of the views at a step.
        rendered_share_at: Probability that a view is of a rendered frame, at a step.
        cutmix: Probability that a view gets a rectangle of another one.
        seed: Decides order and augmentation.
    """

    samples: Samples
    rendered: Samples | None = None
    batch_size: int
    size_at: Callable[[int], tuple[int, int]]
    rendered_share_at: Callable[[int], float] = lambda _: 0.0
    cutmix: float = 0.0
    seed: int

    def make(self, step: int) -> Batch:
        """Return the batch of `step`, counted from 0."""
        generator = np.random.default_rng((self.seed, step))
        size = self.size_at(step)
        views = [self._view(index, step, size, generator) for index in self._indices(step)]
        views = cutmix(views, generator, self.cutmix)
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

    def _view(
        self, index: int, step: int, size: tuple[int, int], generator: np.random.Generator
    ) -> View:
        """Return a view of sample `index`, or of a rendered frame in its place."""
        source = self.samples
        if self.rendered is not None and generator.random() < self.rendered_share_at(step):
            source = self.rendered
            index = int(generator.integers(len(source)))
        return random_view(
            source[index], size, generator, frame=source.frame, clean_depth=source.clean_depth
        )

    def _indices(self, step: int) -> list[int]:
        """Return which samples are in a batch: a walk through one shuffle after another."""
        count = len(self.samples)
        positions = range(step * self.batch_size, (step + 1) * self.batch_size)
        return [int(self._shuffle(p // count)[p % count]) for p in positions]

    def _shuffle(self, epoch: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.random.default_rng((self.seed, epoch, 1)).permutation(len(self.samples))
