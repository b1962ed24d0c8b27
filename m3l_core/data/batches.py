"""Batches of random views, made ahead of the training step by threads.

Every view is a function of the seed, the step and its place in the batch alone, so a resumed run
sees the same data, and so do several processes that share a batch. Only CutMix stays within what
one of them makes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple, TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from m3l_core.data.ahead import made_ahead
from m3l_core.data.augment import random_view, weak_and_strong
from m3l_core.data.cutmix import cutmix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from m3l_core.data.augment import View
    from m3l_core.data.samples import Samples

_SHUFFLE, _LABELED, _CUTMIX, _UNLABELED = range(4)
"""What chance is drawn for; each has a stream of its own."""


class Views(NamedTuple):
    """B views: `rgb` `(B, H, W, 3)` uint8, `depth_m` `(B, H, W)`, `labels` `(B, H, W)` uint8.

    Labels of images without any are 0 where the view shows the image and 255 in its padding.
    """

    rgb: Tensor
    depth_m: Tensor
    labels: Tensor


class Batch(NamedTuple):
    """What one step sees.

    Attributes:
        labeled: Views of labeled images.
        unlabeled: Views of as many images without labels, as their own cameras saw them if there
            are `strong` ones; None if none are asked for.
        strong: The same views as other cameras would have seen them.
    """

    labeled: Views
    unlabeled: Views | None = None
    strong: Views | None = None


@dataclass(frozen=True, kw_only=True)
class Batches:
    """Makes the batch of any step.

    Attributes:
        samples: The labeled images; each is seen once before one is seen again.
        rendered: Frames that take the place of some samples, drawn at random.
        unlabeled: Images without labels, or whose labels are not to be used.
        pairs_of_views: Whether an unlabeled image is shown weakly and strongly changed.
        batch_size: Labeled views in a batch, and unlabeled ones.
        size_at: Height and width of the views at a step.
        rendered_share_at: Probability that a view is of a rendered frame, at a step.
        unlabeled_from: First step whose batch has unlabeled views.
        cutmix: Probability that a labeled view gets a rectangle of another one.
        seed: Decides order and augmentation.
        part: Which share of each batch to make: index and number of shares.
    """

    samples: Samples
    rendered: Samples | None = None
    unlabeled: Sequence[Samples] = ()
    pairs_of_views: bool = False
    batch_size: int
    size_at: Callable[[int], tuple[int, int]]
    rendered_share_at: Callable[[int], float] = lambda _: 0.0
    unlabeled_from: int = 0
    cutmix: float = 0.0
    seed: int
    part: tuple[int, int] = (0, 1)

    def make(self, step: int) -> Batch:
        """Return the batch of `step`, counted from 0."""
        size = self.size_at(step)
        positions = self._positions(step)
        labeled = [self._view(position, step, size) for position in positions]
        generator = np.random.default_rng((self.seed, _CUTMIX, step, self.part[0]))
        batch = Batch(_stack(cutmix(labeled, generator, self.cutmix)))
        if not self.unlabeled or step < self.unlabeled_from:
            return batch
        views = [self._unlabeled_views(position, size) for position in positions]
        weak, strong = ([view[index] for view in views] for index in (0, -1))
        return batch._replace(
            unlabeled=_stack(weak), strong=_stack(strong) if self.pairs_of_views else None
        )

    def stream(self, first: int, last: int, *, threads: int = 2) -> Iterator[Batch]:
        """Return the batches of the steps in [first, last), a few made ahead."""
        return made_ahead(self.make, range(first, last), threads=threads, name='m3l-batches')

    def _positions(self, step: int) -> range:
        """Return the places of this share of the batch, counted over all steps."""
        index, shares = self.part
        length = self.batch_size // shares
        first = step * self.batch_size + index * length
        return range(first, first + length)

    def _view(self, position: int, step: int, size: tuple[int, int]) -> View:
        """Return a view of the sample whose turn it is, or of a rendered frame in its place."""
        generator = np.random.default_rng((self.seed, _LABELED, position))
        source, index = self.samples, self._turn(len(self.samples), position)
        if self.rendered is not None and generator.random() < self.rendered_share_at(step):
            source = self.rendered
            index = int(generator.integers(len(source)))
        return random_view(
            source[index], size, generator, frame=source.frame, clean_depth=source.clean_depth
        )

    def _unlabeled_views(self, position: int, size: tuple[int, int]) -> tuple[View, ...]:
        """Return a weak and a strong view, or one, of the image whose turn it is."""
        generator = np.random.default_rng((self.seed, _UNLABELED, position))
        index = self._turn(sum(map(len, self.unlabeled)), position)
        source, index = _find(self.unlabeled, index)
        sample = source[index]
        hidden = replace(sample, labels=np.zeros_like(sample.labels))
        how: dict[str, Any] = {'frame': source.frame, 'clean_depth': source.clean_depth}
        if self.pairs_of_views:
            return weak_and_strong(hidden, size, generator, **how)
        return (random_view(hidden, size, generator, **how),)

    def _turn(self, count: int, position: int) -> int:
        """Return which of `count` samples is at `position` of one shuffle after another."""
        return int(_shuffle(self.seed, position // count, count)[position % count])


@lru_cache(maxsize=8)
def _shuffle(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    return np.random.default_rng((seed, _SHUFFLE, epoch)).permutation(count)


def _find(sources: Sequence[Samples], index: int) -> tuple[Samples, int]:
    """Return where the image at `index` of all sources lies: its source and the index in it."""
    for source in sources:
        if index < len(source):
            return source, index
        index -= len(source)
    raise IndexError(index)


def _stack(views: Sequence[View]) -> Views:
    return Views(*(torch.from_numpy(np.stack(images)) for images in zip(*views, strict=True)))
