"""What the runs of a benchmark scored, method by method."""

from __future__ import annotations

from dataclasses import asdict, dataclass
import json
from typing import Any, TYPE_CHECKING

import numpy as np

from m3l_core.metrics import (
    expected_mean_iou,
    FAILURE_PROBABILITIES,
    mean_iou_of,
    mm_robust,
)
from m3l_core.model_card import TEST_SCORED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from m3l_core.benchmark.grid import Grid, Run
    from m3l_core.benchmark.run_files import RunFiles
    from m3l_core.evaluate.conventions import Convention
    from m3l_core.evaluate.image_counts import ImageCounts

EXPECTED = tuple(f'expected_{p:g}' for p in FAILURE_PROBABILITIES)
"""Names of the mIoU to expect if each modality fails with such a probability."""


@dataclass(frozen=True)
class Result:
    """How far a run is, and its scores once it has some.

    Attributes:
        run: What was run.
        status: 'finished', or why there are no scores.
        began_with: Its images and weights, empty before it began.
        training: From the card of the trained network, empty before the last step.
        codes: The states of the code it was trained with.
        convention: What a missing image was.
        counts: Confusion counts of every image.
        floor: MIoU in percent of looking at nothing.
        test_scored: How often the weights were scored on test, of any data set.
    """

    run: Run
    status: str
    began_with: dict[str, str]
    training: dict[str, Any]
    codes: tuple[str, ...]
    convention: Convention
    counts: ImageCounts | None = None
    floor: float | None = None
    test_scored: int = 0

    @property
    def scores(self) -> dict[str, float]:
        """MIoU in percent by condition, `mm_robust` and `EXPECTED`; empty without counts."""
        return {} if self.counts is None else scores_of(self.counts)

    def row(self, split: str) -> dict[str, Any]:
        """Return the run as one row of a table."""
        training = self.training
        return {
            'run': self.run.name,
            'method': self.run.method,
            'labels': self.run.labels,
            'seed': self.run.seed,
            'status': self.status,
            'split': split,
            'missing': str(self.convention),
            **self.scores,
            'steps': training.get('steps'),
            'labeled_views': training.get('labeled_views'),
            'pairs': training.get('pairs'),
            'hours': training.get('hours'),
            'code': ', '.join(self.codes) or training.get('version'),
            'device': training.get('device'),
            'date': training.get('date'),
            'test_scored': self.test_scored,
            **{f'began_with_{key}': value for key, value in self.began_with.items()},
            'config': json.loads(json.dumps(asdict(self.run.config))),
        }


def scores_of(counts: ImageCounts) -> dict[str, float]:
    """Return mIoU in percent by condition, `mm_robust` and `EXPECTED`."""
    mean_iou = {
        name: float(mean_iou_of(of_images.sum(0))) for name, of_images in counts.counts.items()
    }
    expected = {
        name: expected_mean_iou(mean_iou, p)
        for name, p in zip(EXPECTED, FAILURE_PROBABILITIES, strict=True)
    }
    return mean_iou | {'mm_robust': mm_robust(mean_iou)} | expected


def read_results(grid: Grid, files: Sequence[RunFiles], split: str) -> list[Result]:
    """Return the results of all runs, those that have none included.

    Each method is scored with the convention of missing that is best for it on val.
    """
    best = best_conventions(grid, files)
    return [_result(one, split, best[one.run.method]) for one in files]


def best_conventions(grid: Grid, files: Sequence[RunFiles]) -> dict[str, Convention]:
    """Return what a missing image is best taken for on val, for each method."""
    methods = dict.fromkeys(one.run.method for one in files)
    return {
        method: _best_convention(grid, [one for one in files if one.run.method == method])
        for method in methods
    }


def _best_convention(grid: Grid, files: Sequence[RunFiles]) -> Convention:
    """Return the convention of the highest MM-Robust over the runs scored with all of them."""
    if len(grid.missing) == 1:
        return grid.missing[0]
    totals = dict.fromkeys(grid.missing, 0.0)
    for one in files:
        counts = {convention: one.counts('val', convention) for convention in grid.missing}
        of_run = {c: scores_of(k)['mm_robust'] for c, k in counts.items() if k is not None}
        if len(of_run) == len(totals):
            totals = {convention: totals[convention] + of_run[convention] for convention in totals}
    return max(totals, key=lambda convention: totals[convention])


def _result(files: RunFiles, split: str, convention: Convention) -> Result:
    card = files.card()
    counts = files.counts(split, convention)
    return Result(
        run=files.run,
        status='finished' if counts is not None else _unfinished(files, trained=card is not None),
        began_with=files.began_with(),
        training=card.training if card else {},
        codes=tuple(files.codes()),
        convention=convention,
        counts=counts,
        floor=None if counts is None else files.floor(split, convention),
        test_scored=max(card.metrics.get(TEST_SCORED, {}).values(), default=0) if card else 0,
    )


def _unfinished(files: RunFiles, *, trained: bool) -> str:
    if error := files.error():
        return f'failed: {error}'
    if trained:
        return 'not scored'
    step, _ = files.progress()
    return f'step {step} of {files.run.config.steps}' if files.began_with() else 'not begun'


def of_method(results: Sequence[Result], method: str, labels: int) -> dict[int, Result]:
    """Return the finished results of a method by seed."""
    return {
        result.run.seed: result
        for result in results
        if (result.run.method, result.run.labels) == (method, labels) and result.counts is not None
    }


def mean_of(results: Sequence[Result], name: str) -> float:
    """Return the mean of a score over runs."""
    return float(np.mean([result.scores[name] for result in results]))
