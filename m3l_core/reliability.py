"""Whether a network's confidence can be believed: how often it is right at each level of it."""

from __future__ import annotations

from typing import NamedTuple, TYPE_CHECKING

import numpy as np

from m3l_core.classes import IGNORE

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_CONFIDENCE = 0.5
"""Probability below which a pixel counts as unlabeled, unless a user says otherwise."""

BINS = 15
"""Of equal width over (0, 1], in the expected calibration error."""

_LEVELS = 256


class Selected(NamedTuple):
    """What is left when pixels below a threshold of confidence are given no label."""

    coverage: float
    """Share of the pixels that keep a label, in [0, 1]."""
    accuracy: float
    """Share of those that are right; NaN if there are none."""


class Reliability:
    """Counts of pixels, and of right ones, by confidence as it is published: 0 to 255."""

    def __init__(self) -> None:
        self._pixels = np.zeros(_LEVELS, np.int64)
        self._right = np.zeros(_LEVELS, np.int64)

    def update(
        self,
        labels: NDArray[np.uint8],
        confidence: NDArray[np.uint8],
        truth: NDArray[np.uint8],
    ) -> None:
        """Add the pixels of one image, arrays of one shape, that have a true class."""
        known = truth != IGNORE
        levels, right = confidence[known], (labels == truth)[known]
        self._pixels += np.bincount(levels, minlength=_LEVELS)
        self._right += np.bincount(levels[right], minlength=_LEVELS)

    def expected_calibration_error(self) -> float:
        """Return the mean difference in [0, 1] of confidence and accuracy, over `BINS` bins."""
        levels = np.arange(_LEVELS)
        of_level = np.maximum(np.ceil(levels * BINS / (_LEVELS - 1)).astype(np.int64) - 1, 0)
        claimed = np.bincount(of_level, levels / (_LEVELS - 1) * self._pixels, BINS)
        right = np.bincount(of_level, self._right, BINS)
        return float(np.abs(claimed - right).sum() / max(1, self._pixels.sum()))

    def selected(self, min_confidence: float = MIN_CONFIDENCE) -> Selected:
        """Return coverage and accuracy of the pixels of at least this probability."""
        kept = np.arange(_LEVELS) >= min_confidence * (_LEVELS - 1)
        pixels, right = int(self._pixels[kept].sum()), int(self._right[kept].sum())
        return Selected(
            pixels / max(1, int(self._pixels.sum())), right / pixels if pixels else float('nan')
        )
