"""The images that one training run sees."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np
import torch

from m3l_core.data.opening import open_samples
from m3l_core.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from m3l_core.data.samples import Samples


@dataclass(frozen=True)
class Sources:
    """Labelled images to learn from, rendered ones to mix in, and those that score."""

    training: Samples
    validation: Samples
    rendered: Samples | None = None

    def describe(self) -> str:
        """Return what is learned from, for a card."""
        text = f'{self.training.name}, {len(self.training)} images'
        if self.rendered is None:
            return text
        return f'{text}, and {len(self.rendered)} rendered ones'

    @property
    def scores_what_it_learns(self) -> bool:
        """Whether images that score are among those learned from."""
        same = self.training.root.resolve() == self.validation.root.resolve()
        return same and not set(self.training.ids).isdisjoint(self.validation.ids)

    def digest(self) -> str:
        """Return a hash of which images there are, and of what classes."""
        parts = [
            [source.name, list(source.classes.names), list(source.ids)]
            for source in (self.training, self.validation, self.rendered)
            if source is not None
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    def terms(self, of_start: str) -> str:
        """Return what weights are subject to that started under the terms `of_start`."""
        rendered = self.rendered.terms if self.rendered else ''
        return ' '.join(dict.fromkeys(filter(None, (of_start, self.training.terms, rendered))))

    def count_pixels(self) -> torch.Tensor:
        """Return how many pixels of each class the training labels hold, `(K,)`."""

        def count(index: int) -> NDArray[np.int64]:
            labels = self.training[index].labels
            return np.bincount(labels.ravel(), minlength=256)

        with ThreadPoolExecutor() as pool:  # also reads the images into memory
            counts = np.sum(list(pool.map(count, range(len(self.training)))), axis=0)
        return torch.from_numpy(counts[: len(self.training.classes)])


def open_sources(
    data: Path, split: str, *, rendered: Path | None = None, validation: Path | None = None
) -> Sources:
    """Open the data sets of a run.

    Args:
        data: The labelled images.
        split: Which of them to learn from.
        rendered: Frames to mix in.
        validation: Whose `val` split to score on; None takes `data`.

    Raises:
        ConfigError: If they tell different classes apart, or test images would be learned from.
        DataError: If one of them cannot be read.
    """
    training = open_samples(data, split)
    if split == 'all' and training.splits.test:
        raise ConfigError(
            f'split: all takes in the test images of {data}. Say trainval, or remove test.txt.'
        )
    scored = open_samples(validation or data, 'val')
    mixed = open_samples(rendered, 'all') if rendered else None
    for path, other in ((validation or data, scored), (rendered, mixed)):
        if other is not None and other.classes.names != training.classes.names:
            raise ConfigError(
                f'{path}: expected the classes of {data}, {", ".join(training.classes.names)}; '
                f'got {", ".join(other.classes.names)}. Give data sets of the same classes.'
            )
    return Sources(training, scored, mixed)
