"""How much better one method is than another, and how sure of that one can be.

Both are scored on the same images, so what makes an image hard cancels. Two things are left to
chance: the seed (which labels, which weights at the start, which order) and the scenes.

Dimensions: R seeds, D draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from m3l_core.data.scenes import scenes_by_name
from m3l_core.errors import DataError
from m3l_core.evaluate.intervals import blocks_of, draw_blocks, drawn_scores, percentiles
from m3l_core.metrics import CONDITIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from m3l_core.evaluate.image_counts import ImageCounts
    from m3l_core.evaluate.intervals import Interval

_T_975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""Student's t at 97.5 % for 1 to 9 degrees of freedom; 2 to 10 seeds."""


@dataclass(frozen=True)
class Paired:
    """A difference of two methods, in points of mIoU."""

    gain: float
    """Of the first over the second, mean over the seeds."""
    of_seeds: tuple[float, ...]
    """The gain with each seed."""
    interval: Interval | None
    """95 %: seeds are drawn again, then scenes. None with a single scene."""
    t_interval: Interval | None
    """95 % by Student's t over the seeds alone, on these very images. None with a single seed."""

    def is_shown(self, least: float = 1.5) -> bool:
        """Return whether the gain is `least` or more, with every seed above 0, and certain."""
        certain = self.interval is not None and self.interval[0] > 0
        return self.gain >= least and min(self.of_seeds) > 0 and certain


def paired_interval(
    ours: Sequence[ImageCounts], theirs: Sequence[ImageCounts], *, seed: int = 0
) -> dict[str, Paired]:
    """Return the gain of one method over another in each condition, and in `mm_robust`.

    Seeds are drawn with replacement, and with them the pairs of runs; then scenes, the same ones
    for every run, as the runs share them. If no run knows them, names tell. Few seeds make the
    interval too narrow, for which `t_interval` stands beside it.

    Args:
        ours: The counts of a method's runs, one for each seed.
        theirs: Those of the other method, with the same seeds in the same order.
        seed: Of the draws.

    Raises:
        DataError: If the numbers of runs differ, or their images, labels or classes.
    """
    _expect_alike(ours, theirs)
    known = (run.scenes for run in (*ours, *theirs) if run.scenes)
    blocks = blocks_of(next(known, scenes_by_name(ours[0].ids)))
    all_once = np.ones((1, int(blocks.max()) + 1))
    gains = _gains(ours, theirs, blocks, all_once)
    draws = draw_blocks(blocks, seed)
    drawn = None if draws is None else _gains(ours, theirs, blocks, draws)
    chance = np.random.default_rng(seed + 1)
    number = 0 if draws is None else len(draws)
    seeds = chance.multinomial(len(ours), np.full(len(ours), 1 / len(ours)), number).T  # (R, D)
    return {
        name: _paired(
            of_seeds[:, 0],
            None if drawn is None else (seeds * drawn[name]).sum(0) / len(ours),
        )
        for name, of_seeds in gains.items()
    }


def _gains(
    ours: Sequence[ImageCounts],
    theirs: Sequence[ImageCounts],
    blocks: NDArray[np.int64],
    draws: NDArray[np.float64],
) -> dict[str, NDArray[np.float64]]:
    """Return the gain with each seed in each draw, `(R, D)`, by condition."""
    of_ours, of_theirs = (
        [drawn_scores(run.counts, blocks, draws) for run in runs] for runs in (ours, theirs)
    )
    return {
        name: np.array([a[name] - b[name] for a, b in zip(of_ours, of_theirs, strict=True)])
        for name in of_ours[0]
    }


def _paired(of_seeds: NDArray[np.float64], drawn: NDArray[np.float64] | None) -> Paired:
    gain = float(of_seeds.mean())
    t_interval = None
    if len(of_seeds) > 1:
        t = _T_975[min(len(of_seeds) - 2, len(_T_975) - 1)]
        reach = t * float(of_seeds.std(ddof=1)) / len(of_seeds) ** 0.5
        t_interval = (gain - reach, gain + reach)
    interval = None if drawn is None else percentiles(drawn)
    return Paired(gain, tuple(of_seeds.tolist()), interval, t_interval)


def _expect_alike(ours: Sequence[ImageCounts], theirs: Sequence[ImageCounts]) -> None:
    if not ours or len(ours) != len(theirs):
        raise DataError(
            f'paired interval: expected as many runs of both methods, at least one, got '
            f'{len(ours)} and {len(theirs)}.'
        )
    for run in (*ours, *theirs):
        run.expect_images(ours[0].ids, ours[0].classes, 'paired interval')
        if run.counts.keys() != CONDITIONS.keys():
            raise DataError(
                f'paired interval: expected counts of {", ".join(CONDITIONS)}, got '
                f'{", ".join(run.counts)}.'
            )
        run.expect_labeled(ours[0].labeled, 'paired interval')
