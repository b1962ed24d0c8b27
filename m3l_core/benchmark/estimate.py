"""How long a benchmark will take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from m3l_core.benchmark.run_files import RunFiles

_SECONDS_PER_PIXEL = 1.7e-6
"""Of a pair, trained on by two CPU cores that know bf16, with encoder b0; a guess elsewhere."""


@dataclass(frozen=True)
class Estimate:
    """What is done, and what is left.

    Attributes:
        runs: Number of runs.
        finished: How many are trained.
        pairs: To train on, in all runs.
        done: Pairs that were trained on.
        seconds_left: With one run at a time.
        measured: Whether that follows from runs of this benchmark.
    """

    runs: int
    finished: int
    pairs: int
    done: int
    seconds_left: float
    measured: bool

    def text(self, jobs: int) -> str:
        """Return it as a line."""
        guess = 'about' if self.measured else 'at a guess (two CPU cores, b0)'
        left = f'{guess} {duration(self.seconds_left / jobs)} left'
        if self.finished == self.runs:
            left = 'all trained'
        return (
            f'{self.finished} of {self.runs} runs trained, {self.done:,} of {self.pairs:,} pairs, '
            f'{left}'
        )


def estimate(files: Sequence[RunFiles]) -> Estimate:
    """Return what is left of the runs, from the pace of those that have begun."""
    steps, seconds = zip(*(one.progress() for one in files), strict=True)
    pairs = [one.run.pairs for one in files]
    done = [one.run.config.pairs_until(step) for one, step in zip(files, steps, strict=True)]
    pixels = [_pixels(one) for one in files]
    trained = sum(d * p for d, p, s in zip(done, pixels, seconds, strict=True) if s)
    left = sum((n - d) * p for n, d, p in zip(pairs, done, pixels, strict=True))
    pace = sum(seconds) / trained if trained else _SECONDS_PER_PIXEL
    finished = sum(step == one.run.config.steps for one, step in zip(files, steps, strict=True))
    return Estimate(len(files), finished, sum(pairs), sum(done), left * pace, bool(trained))


def duration(seconds: float) -> str:
    """Return a time as text, such as 1 h 05 min."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return 'a minute'
    return f'{minutes // 60} h {minutes % 60:02d} min' if minutes >= 60 else f'{minutes} min'


def _pixels(files: RunFiles) -> float:
    """Return the pixels of a view, which training time is roughly proportional to."""
    phases = files.run.config.phases
    return sum(phase.share * phase.size[0] * phase.size[1] for phase in phases)
