"""The confusion matrix, and every score computed from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

CONDITIONS = {'both': (True, True), 'depth_missing': (True, False), 'rgb_missing': (False, True)}
"""Which modalities are present, `(RGB, depth)`, in each of the three scores."""

FAILURE_PROBABILITIES = (0.05, 0.1, 0.2)
"""Of each modality, for which the expected mIoU is told."""


class ConfusionMatrix:
    """Counts of pixels by true class (row) and predicted class (column).

    One matrix runs over a whole data set: mIoU of parts cannot be averaged.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        # The last column takes predictions that name no class: misses, but of nobody's.
        self._counts = np.zeros((num_classes, num_classes + 1), np.int64)

    @classmethod
    def of(cls, counts: NDArray[np.int64]) -> ConfusionMatrix:
        """Return the matrix of the counts `(K, K + 1)`, from `confusion_counts` or sums of it."""
        matrix = cls(len(counts))
        matrix.add(counts)
        return matrix

    @property
    def counts(self) -> NDArray[np.int64]:
        """Pixels `(K, K + 1)`; the last column holds predictions without a class."""
        return self._counts

    def update(self, labels: NDArray[np.uint8], truth: NDArray[np.uint8]) -> None:
        """Add the pixels of one image whose truth is a class.

        Args:
            labels: Predicted class indices, any shape.
            truth: True class indices of the same shape; ids without a class are left out.

        Raises:
            ValueError: If the shapes differ.
        """
        self._counts += confusion_counts(labels, truth, self.num_classes)

    def add(self, counts: NDArray[np.int64]) -> None:
        """Add the counts `(K, K + 1)` of other pixels, from `confusion_counts`."""
        self._counts += counts

    def iou(self) -> NDArray[np.float64]:
        """Return the intersection over union of each class in percent; NaN for absent ones."""
        return iou_of(self._counts)

    def mean_iou(self) -> float:
        """Return the mean over the classes that occur, in percent; NaN for an empty matrix."""
        return float(mean_iou_of(self._counts))

    def pixel_accuracy(self) -> float:
        """Return the share of right pixels in percent; NaN for an empty matrix."""
        total = self._counts.sum()
        return float(100 * np.trace(self._counts) / total) if total else float('nan')


def confusion_counts(
    labels: NDArray[np.uint8], truth: NDArray[np.uint8], num_classes: int
) -> NDArray[np.int64]:
    """Return the counts `(K, K + 1)` of one image; the last column: predictions of no class.

    Args:
        labels: Predicted class indices, any shape.
        truth: True class indices of the same shape; ids without a class are left out.
        num_classes: K.

    Raises:
        ValueError: If the shapes differ.
    """
    if labels.shape != truth.shape:
        raise ValueError(f'labels: expected shape {truth.shape}, got {labels.shape}.')
    counted = truth < num_classes
    columns = num_classes + 1
    predicted = np.minimum(labels[counted], num_classes).astype(np.int64)
    cells = truth[counted].astype(np.int64) * columns + predicted
    flat = np.bincount(cells, minlength=num_classes * columns)
    return flat.reshape(num_classes, columns).astype(np.int64, copy=False)


def iou_of(counts: NDArray[np.integer] | NDArray[np.floating]) -> NDArray[np.float64]:
    """Return each class's intersection over union `(..., K)` in percent, NaN for absent ones.

    Args:
        counts: `(..., K, K + 1)`, from `confusion_counts` or sums of those.
    """
    hits = np.diagonal(counts, axis1=-2, axis2=-1).astype(np.float64)
    union = counts.sum(-1) + counts[..., :-1].sum(-2) - hits
    shares = np.full_like(hits, np.nan)
    np.divide(hits, union, out=shares, where=union > 0)
    return np.multiply(shares, 100)


def mean_iou_of(counts: NDArray[np.integer] | NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the mean `(...)` over the classes that occur, in percent; NaN where none does."""
    iou = iou_of(counts)
    occurs = np.isfinite(iou)
    means = np.full(iou.shape[:-1], np.nan)
    np.divide(np.where(occurs, iou, 0).sum(-1), occurs.sum(-1), out=means, where=occurs.any(-1))
    return means


def mm_robust(mean_iou: Mapping[str, float]) -> float:
    """Return the mean of mIoU with both modalities, with depth missing and with RGB missing.

    The M3L paper's measure of robustness; `mean_iou` has the keys `both`, `depth_missing`,
    `rgb_missing`.
    """
    return (mean_iou['both'] + mean_iou['depth_missing'] + mean_iou['rgb_missing']) / 3


def expected_mean_iou(mean_iou: Mapping[str, float], p: float) -> float:
    """Return the mIoU to expect when each modality fails with probability `p`, by itself.

    The case that both fail is left out (arXiv 2503.18445); the keys are those of `mm_robust`.
    """
    both, one = (1 - p) ** 2, p * (1 - p)
    alone = mean_iou['depth_missing'] + mean_iou['rgb_missing']
    return (both * mean_iou['both'] + one * alone) / (both + 2 * one)
