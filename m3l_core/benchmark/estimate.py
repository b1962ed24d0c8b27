"""How long a benchmark will take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from m3l_core.benchmark.run_files import RunFiles
    from m3l_core.train.config import TrainConfig


@dataclass(frozen=True)
class Estimate:
    """What is done, and what is left.

    Attributes:
        runs: Number of runs.
        finished: How many are trained.
        pairs: To train on, in all runs.
        done: Pairs that were trained on.
        seconds_left: Of training, with one run at a time; None if nothing tells.
        measured: Whether that follows from runs of this benchmark.
    """

    runs: int
    finished: int
    pairs: int
    done: int
    seconds_left: float | None
    measured: bool

    def text(self, jobs: int) -> str:
        """Return it as a line."""
        if self.finished == self.runs:
            left = 'all trained'
        elif self.seconds_left is None:
            left = 'time left is known once a run has begun'
        else:
            left = f'about {duration(self.seconds_left / jobs)} of training left'
            left += '' if self.measured else ', by the pace of a step tried here just now'
        return (
            f'{self.finished} of {self.runs} runs trained, {self.done:,} of {self.pairs:,} pairs, '
            f'{left}'
        )


def estimate(
    files: Sequence[RunFiles], try_pace: Callable[[TrainConfig], float] | None = None
) -> Estimate:
    """Return what is left of the runs, from the pace of those that have begun.

    Args:
        files: The runs.
        try_pace: Asked for the seconds per pixel of the first run if none has begun.
    """
    steps, seconds = zip(*(one.progress() for one in files), strict=True)
    pairs = [one.run.pairs for one in files]
    done = [one.run.config.pairs_until(step) for one, step in zip(files, steps, strict=True)]
    pixels = [_pixels(one) for one in files]
    trained = sum(d * p for d, p, s in zip(done, pixels, seconds, strict=True) if s)
    left = sum((n - d) * p for n, d, p in zip(pairs, done, pixels, strict=True))
    pace = sum(seconds) / trained if trained else None
    if pace is None and left and try_pace is not None:
        pace = try_pace(files[0].run.config)
    finished = sum(step == one.run.config.steps for one, step in zip(files, steps, strict=True))
    seconds_left = None if pace is None else left * pace
    return Estimate(len(files), finished, sum(pairs), sum(done), seconds_left, bool(trained))


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
