"""One method against another, and what may be said about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from m3l_core.benchmark.results import of_method
from m3l_core.evaluate.paired import paired_interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from m3l_core.benchmark.grid import Grid, Run
    from m3l_core.benchmark.results import Result
    from m3l_core.evaluate.image_counts import ImageCounts
    from m3l_core.evaluate.intervals import Interval
    from m3l_core.evaluate.paired import Paired

LEAST_GAIN = 1.5
"""Points of MM-Robust below which a gain is not shown, as fixed before anything was trained."""

LEAST_SEEDS = 3
"""Seeds without which nothing is shown."""


@dataclass(frozen=True)
class Comparison:
    """A method against another with one label count, on the seeds that both have finished.

    Attributes:
        ours: The first method.
        theirs: The other one.
        labels: How many images kept their labels.
        seeds: That both have finished.
        missing_seeds: How many more there will be.
        gains: By condition, and of `mm_robust`.
        headline: Whether the grid asks for it; else a variant is held against its method.
    """

    ours: str
    theirs: str
    labels: int
    seeds: tuple[int, ...]
    missing_seeds: int
    gains: dict[str, Paired]
    headline: bool

    @property
    def paired(self) -> Paired:
        """The gain in MM-Robust."""
        return self.gains['mm_robust']

    @property
    def verdict(self) -> str:
        """'reached', 'not reached', or 'open' before all seeds are there."""
        if self.missing_seeds:
            return 'open'
        shown = len(self.seeds) >= LEAST_SEEDS and self.paired.is_shown(LEAST_GAIN)
        return 'reached' if shown else 'not reached'

    def sentence(self) -> str:
        """Return what the numbers say, and how sure of it one can be."""
        paired, number = self.paired, len(self.seeds)
        positive = sum(gain > 0 for gain in paired.of_seeds)
        so_far = f' so far, {self.missing_seeds} to come' if self.missing_seeds else ''
        verdict = f'{self.verdict}: ' if self.headline else ''
        text = (
            f'{self.ours} over {self.theirs} with {self.labels} labels: {verdict}mean gain '
            f'{paired.gain:+.1f} points of MM-Robust {bracket(paired.interval)}, positive in '
            f'{positive} of {number} {_seeds(number)}{so_far}.'
        )
        return f'{text} {self._over_seeds()}'

    def _over_seeds(self) -> str:
        interval = self.paired.t_interval
        if interval is None:
            return 'One seed says nothing about another.'
        certain = interval[0] > 0 or interval[1] < 0
        return (
            f"By Student's t over {len(self.seeds)} seeds alone {bracket(interval)}: "
            f'{"established" if certain else "not established"} for other seeds.'
        )


def compare(grid: Grid, runs: Sequence[Run], results: Sequence[Result]) -> list[Comparison]:
    """Return the comparisons of a grid of which both methods have finished a common seed.

    Raises:
        DataError: If two runs were scored on different images or classes.
    """
    found = []
    for ours, theirs in grid.comparisons:
        for labels in dict.fromkeys(run.labels for run in runs if run.method == ours):
            planned = _seeds_of(runs, ours, labels) & _seeds_of(runs, theirs, labels)
            one, other = (of_method(results, name, labels) for name in (ours, theirs))
            seeds = sorted(one.keys() & other.keys())
            if not seeds:
                continue
            gains = paired_interval(_counts(one, seeds), _counts(other, seeds))
            headline = (ours, theirs) in grid.compare
            rest = len(planned) - len(seeds)
            found.append(Comparison(ours, theirs, labels, tuple(seeds), rest, gains, headline))
    return found


def bracket(interval: Interval | None) -> str:
    """Return an interval as text."""
    return '[one scene]' if interval is None else f'[{interval[0]:+.1f}, {interval[1]:+.1f}]'


def _counts(of_method: Mapping[int, Result], seeds: Sequence[int]) -> list[ImageCounts]:
    found = (of_method[seed].counts for seed in seeds)
    return [counts for counts in found if counts is not None]


def _seeds_of(runs: Sequence[Run], method: str, labels: int) -> set[int]:
    return {run.seed for run in runs if (run.method, run.labels) == (method, labels)}


def _seeds(number: int) -> str:
    return 'seed' if number == 1 else 'seeds'
