"""The images that one training run sees."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np
import torch

from m3l_core.data.few_labels import few_labels
from m3l_core.data.opening import open_samples
from m3l_core.data.subset import Subset
from m3l_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from m3l_core.data.folder import Folder
    from m3l_core.data.samples import Samples


@dataclass(frozen=True)
class Sources:
    """The images that a run learns from, labeled, rendered and unlabeled, and those that score.

    Unlabeled ones may have labels; they are not looked at.
    """

    training: Samples
    validation: Samples
    rendered: Samples | None = None
    unlabeled: tuple[Samples, ...] = ()

    def describe(self) -> str:
        """Return what is learned from, for a card."""
        parts = [f'{self.training.name}, {len(self.training)} images']
        if self.rendered is not None:
            parts.append(f'{len(self.rendered)} rendered ones')
        if self.unlabeled:
            parts.append(f'{sum(map(len, self.unlabeled))} without labels')
        return ', and '.join(parts)

    @property
    def learned_from_val_of(self) -> str:
        """The name of the data set that scores if such images are learned from, else empty."""
        known = any(
            source.name == self.validation.name
            and not set(source.ids).isdisjoint(self.validation.ids)
            for source in filter(None, (self.training, self.rendered, *self.unlabeled))
        )
        return self.validation.name if known else ''

    def digest(self) -> str:
        """Return a hash of which images there are, and of what classes."""
        parts = [
            [source.name, list(source.classes.names), list(source.ids)]
            for source in (self.training, self.validation, self.rendered, *self.unlabeled)
            if source is not None
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    def terms(self, of_start: str) -> str:
        """Return what weights are subject to that started under the terms `of_start`."""
        sources = filter(None, (self.training, self.rendered, *self.unlabeled))
        terms = (of_start, *(source.terms for source in sources))
        return ' '.join(dict.fromkeys(filter(None, terms)))

    def count_pixels(self) -> torch.Tensor:
        """Return how many pixels of each class the training labels hold, `(K,)`."""

        def count(index: int) -> NDArray[np.int64]:
            labels = self.training[index].labels
            return np.bincount(labels.ravel(), minlength=256)

        with ThreadPoolExecutor() as pool:  # also reads the images into memory
            counts = np.sum(list(pool.map(count, range(len(self.training)))), axis=0)
        return torch.from_numpy(counts[: len(self.training.classes)])


def open_sources(
    data: Path,
    split: str,
    *,
    rendered: Path | None = None,
    validation: Path | None = None,
    unlabeled: Sequence[Path] = (),
    classes: str | None = None,
    labels: int | None = None,
    seed: int = 0,
) -> Sources:
    """Open the data sets of a run.

    Args:
        data: The labeled images.
        split: Which of them to learn from.
        rendered: Frames to mix in.
        validation: Whose `val` split to score on; None takes `data`.
        unlabeled: Images to learn from without labels; of a data set with test or validation
            images, the others.
        classes: What labels shall mean; None for the data sets' own.
        labels: How many of the split keep their labels; the rest is unlabeled. None keeps all.
        seed: Draws which.

    Raises:
        ConfigError: If they tell different classes apart, or test images would be learned from.
        DataError: If one of them cannot be read, there are fewer than `labels`, or none of those
            that score has a label.
    """
    training = open_samples(data, split, classes=classes)
    _refuse_test_images(training, f'split: {split}')
    scored = open_samples(validation or data, 'val', classes=classes)
    scored.expect_labels()
    mixed = open_samples(rendered, 'all', classes=classes) if rendered else None
    if mixed is not None:
        _refuse_test_images(mixed, f'--rendered {rendered}')
    for path, other in ((validation or data, scored), (rendered, mixed)):
        if other is not None and other.classes.names != training.classes.names:
            raise ConfigError(
                f'{path}: expected the classes of {data}, {", ".join(training.classes.names)}; '
                f'got {", ".join(other.classes.names)}. Give data sets of the same classes.'
            )
    without: list[Samples] = [_open_unlabeled(path) for path in unlabeled]
    if labels is None:
        return Sources(training, scored, mixed, tuple(without))
    chosen, rest = few_labels(training, labels, seed=seed)
    if rest:
        without.insert(0, Subset(training, rest, labeled=False))
    return Sources(Subset(training, chosen), scored, mixed, tuple(without))


def _refuse_test_images(samples: Folder, what: str) -> None:
    tested = set(samples.ids) & set(samples.splits.test)
    if tested:
        raise ConfigError(
            f'{what}: takes in {len(tested)} test images of {samples.root}, which nothing may '
            'learn from. Say trainval, leave them out, or remove test.txt.'
        )


def _open_unlabeled(path: Path) -> Samples:
    """Open all images that neither validate nor test."""
    samples = open_samples(path, 'all', labeled=False)
    if samples.splits.test or samples.splits.val:
        return open_samples(path, 'train', labeled=False)
    return samples
