"""Some images of a data set, with their labels or as if they had none."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from m3l_core.classes import IGNORE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from m3l_core.classes import ClassSet
    from m3l_core.data.samples import Sample, Samples


class Subset:
    """Chosen samples of a data set, in the order given.

    Samples stay in memory as those of the data set do, and are kept once however many subsets
    hold them.

    Args:
        samples: The data set.
        indices: Which of its samples.
        labeled: Whether they have their labels; otherwise no pixel has a class.
    """

    def __init__(self, samples: Samples, indices: Sequence[int], *, labeled: bool = True) -> None:
        self._samples = samples
        self._indices = tuple(indices)
        self.labeled = labeled

    @property
    def root(self) -> Path:
        """Where the data set lies."""
        return self._samples.root

    @property
    def name(self) -> str:
        """What a card or a report calls the data set."""
        return self._samples.name

    @property
    def classes(self) -> ClassSet:
        """What labels mean."""
        return self._samples.classes

    @property
    def frame(self) -> int:
        """Width in pixels of a border that no view may show."""
        return self._samples.frame

    @property
    def clean_depth(self) -> bool:
        """Whether depth lacks a sensor's holes and noise."""
        return self._samples.clean_depth

    @property
    def terms(self) -> str:
        """What weights trained on it are subject to."""
        return self._samples.terms

    @property
    def ids(self) -> tuple[str, ...]:
        """The names of the chosen samples."""
        ids = self._samples.ids
        return tuple(ids[i] for i in self._indices)

    @property
    def scenes(self) -> tuple[str, ...]:
        """The scene of each of them."""
        scenes = self._samples.scenes
        return tuple(scenes[i] for i in self._indices)

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> Sample:
        return self._shown(self._samples[self._indices[index]])

    def read(self, index: int) -> Sample:
        """Return a sample without keeping it."""
        return self._shown(self._samples.read(self._indices[index]))

    def once(self) -> Iterator[Sample]:
        """Yield every sample without keeping it."""
        return map(self.read, range(len(self)))

    def labels_once(self) -> Iterator[NDArray[np.uint8]]:
        """Yield the labels of every sample."""
        return (sample.labels for sample in self.once())

    def _shown(self, sample: Sample) -> Sample:
        if self.labeled:
            return sample
        return replace(sample, labels=np.full(sample.labels.shape, IGNORE, np.uint8))
