"""Confusion matrices by what masks were made from and by mode, and the numbers drawn from them."""

from __future__ import annotations

from collections import Counter, defaultdict
import math
from typing import Any, get_args, TYPE_CHECKING

import numpy as np

from m3l_core.metrics import (
    CONDITIONS,
    confusion_counts,
    ConfusionMatrix,
    expected_mean_iou,
    FAILURE_PROBABILITIES,
    mm_robust,
)
from m3l_core.replay.observing import CONDITION_OF, Used

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

PAIRS: dict[str, tuple[Used, Used]] = {
    'rgbd_rgb': ('rgbd', 'rgb'),
    'rgbd_depth': ('rgbd', 'depth'),
    'rgb_depth': ('rgb', 'depth'),
}
"""Whose masks of one moment are compared."""


class Scores:
    """Confusion counts of masks that fall into groups.

    Args:
        names: Of the network's classes.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._counts: dict[str, NDArray[np.int64]] = {}
        self._frames: Counter[str] = Counter()

    def add(self, counts: NDArray[np.int64], *groups: str) -> None:
        """Count one mask, `(K, K + 1)` from `confusion_counts`, in each of its groups."""
        for group in groups:
            self._frames[group] += 1
            total = self._counts.setdefault(group, np.zeros_like(counts))
            total += counts

    def add_dict(self, group: str, score: dict[str, Any]) -> None:
        """Count the masks of a group of another run, from `to_dict`."""
        counts = np.asarray(score['confusion'], np.int64)
        total = self._counts.setdefault(group, np.zeros_like(counts))
        total += counts
        self._frames[group] += score['frames']

    def mean_iou(self) -> dict[str, float]:
        """Return the mIoU of each group, in percent."""
        return {group: ConfusionMatrix.of(c).mean_iou() for group, c in self._counts.items()}

    def to_dict(self, group: str) -> dict[str, Any] | None:
        """Return the scores of a group for JSON, or None if it has no masks."""
        if group not in self._counts:
            return None
        matrix = ConfusionMatrix.of(self._counts[group])
        return {
            'frames': self._frames[group],
            'miou': finite(matrix.mean_iou()),
            'accuracy': finite(matrix.pixel_accuracy()),
            'iou': dict(zip(self._names, map(finite, matrix.iou().tolist()), strict=True)),
            'confusion': matrix.counts.tolist(),
        }


def robustness(mean_iou: Mapping[str, float]) -> dict[str, Any]:
    """Return MM-Robust mIoU and E(p) for JSON; None where a condition was not met.

    Args:
        mean_iou: In percent, by the names of `m3l_core.metrics.CONDITIONS`.
    """
    if any(not math.isfinite(mean_iou.get(name, math.nan)) for name in CONDITIONS):
        return {'mm_robust': None, 'expected': None}
    return {
        'mm_robust': finite(mm_robust(mean_iou)),
        'expected': {
            str(p): finite(expected_mean_iou(mean_iou, p)) for p in FAILURE_PROBABILITIES
        },
    }


class TruthScores:
    """Scores of masks against the truth: over all, by what they were made from, and by mode."""

    _GROUPS = ('overall', *(f'used {used}' for used in get_args(Used)))

    def __init__(self, names: Sequence[str]) -> None:
        self._scores = Scores(names)
        self._modes: set[str] = set()
        self.frames = 0
        self.without = 0
        """Masks that no label image belongs to."""

    def add(self, counts: NDArray[np.int64], used: str, mode: str) -> None:
        """Count one mask."""
        self.frames += 1
        self._modes.add(mode)
        self._scores.add(counts, 'overall', f'used {used}', f'mode {mode}')

    def add_dict(self, truth: dict[str, Any]) -> None:
        """Count what another run counted, from `to_dict`."""
        self.frames += truth['frames']
        self.without += truth['without']
        if truth['overall'] is not None:
            self._scores.add_dict('overall', truth['overall'])
        for used, score in truth['by_used'].items():
            self._scores.add_dict(f'used {used}', score)
        for mode, score in truth['by_mode'].items():
            self._modes.add(mode)
            self._scores.add_dict(f'mode {mode}', score)

    def to_dict(self) -> dict[str, Any]:
        """Return the scores for JSON."""
        mean_iou = self._scores.mean_iou()
        by_used = {used: self._scores.to_dict(f'used {used}') for used in get_args(Used)}
        conditions = {
            CONDITION_OF[used]: mean_iou[f'used {used}'] for used, s in by_used.items() if s
        }
        return {
            'frames': self.frames,
            'without': self.without,
            'overall': self._scores.to_dict('overall'),
            'by_used': {used: score for used, score in by_used.items() if score},
            'by_mode': {
                mode: self._scores.to_dict(f'mode {mode}') for mode in sorted(self._modes)
            },
            **robustness(conditions),
        }


class Comparison:
    """What the same pairs are labeled with both images, and with either of them missing."""

    def __init__(self, names: Sequence[str]) -> None:
        self._scores = Scores(names)
        self._same: defaultdict[str, float] = defaultdict(float)
        self.frames = 0

    def add(
        self,
        labels: dict[Used, NDArray[np.uint8]],
        truth: NDArray[np.uint8] | None,
        num_classes: int,
    ) -> dict[str, float]:
        """Count one pair; return the shares of pixels in percent in which its masks agree."""
        same = {
            pair: 100 * float(np.mean(labels[one] == labels[other]))
            for pair, (one, other) in PAIRS.items()
        }
        self.frames += 1
        for pair, share in same.items():
            self._same[pair] += share
        if truth is not None:
            for used, mask in labels.items():
                counts = confusion_counts(mask, truth, num_classes)
                self._scores.add(counts, CONDITION_OF[used])
        return same

    def add_dict(self, compared: dict[str, Any]) -> None:
        """Count what another run compared, from `to_dict`."""
        self.frames += compared['frames']
        for pair, share in compared['agreement'].items():
            self._same[pair] += share * compared['frames']
        for condition, score in (compared['scores'] or {}).items():
            self._scores.add_dict(condition, score)

    def to_dict(self) -> dict[str, Any] | None:
        """Return the comparison for JSON, or None if no pair was compared."""
        if not self.frames:
            return None
        mean_iou = self._scores.mean_iou()
        scores = {name: self._scores.to_dict(name) for name in CONDITIONS if name in mean_iou}
        return {
            'frames': self.frames,
            'agreement': {pair: finite(self._same[pair] / self.frames) for pair in PAIRS},
            'scores': scores or None,
            **robustness(mean_iou),
        }


def finite(value: float) -> float | None:
    """Return a number for JSON, rounded to what is meant; None for NaN."""
    return round(value, 4) if math.isfinite(value) else None
