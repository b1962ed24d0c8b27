"""What a network that looks at nothing reaches: each pixel gets its place's most common class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from m3l_core.classes import IGNORE
from m3l_core.data.matching import open_matching
from m3l_core.errors import DataError
from m3l_core.metrics import ConfusionMatrix

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from m3l_core.classes import ClassSet
    from m3l_core.data.folder import Folder


class Majority:
    """The most common class of each place in the training labels.

    Args:
        labels: Training labels `(H, W)`; those of other sizes are fitted to the first one's.
        num_classes: How many classes there are.
    """

    def __init__(self, labels: Iterable[NDArray[np.uint8]], num_classes: int) -> None:
        counts = np.zeros((0, num_classes), np.uint32)
        size: tuple[int, ...] = ()
        for image in labels:
            if not size:
                size = image.shape
                counts = np.zeros((image.size, num_classes), np.uint32)
            flat = _resized(image, size).ravel()
            places = np.flatnonzero(flat != IGNORE)
            counts[places, flat[places]] += 1  # each place once, so nothing is added twice
        overall = counts.sum(0).argmax()
        best = np.where(counts.any(1), counts.argmax(1), overall)
        self.labels: NDArray[np.uint8] = best.astype(np.uint8).reshape(size)
        self._num_classes = num_classes

    def mean_iou(self, truths: Iterable[NDArray[np.uint8]]) -> float:
        """Return the mIoU in percent of always predicting it."""
        matrix = ConfusionMatrix(self._num_classes)
        for truth in truths:
            matrix.update(_resized(self.labels, truth.shape), truth)
        return matrix.mean_iou()


def training_of(data: Path, split: str, classes: ClassSet) -> Folder:
    """Return the images that a network is trained on which is scored on `split`.

    Raises:
        DataError: If there are none.
    """
    return open_matching(data, 'trainval' if split == 'test' else 'train', classes)


def floor_of(data: Path, split: str, samples: Folder) -> float | None:
    """Return what `Majority` reaches on `samples`, the `split` of `data`; None untrained."""
    try:
        training = training_of(data, split, samples.classes)
    except DataError:
        return None
    majority = Majority(training.labels_once(), len(samples.classes))
    return majority.mean_iou(samples.labels_once())


def _resized(labels: NDArray[np.uint8], size: tuple[int, ...]) -> NDArray[np.uint8]:
    if labels.shape == size:
        return labels
    resized = cv2.resize(labels, (size[1], size[0]), interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(resized, np.uint8)
