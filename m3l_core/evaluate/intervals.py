"""How far a score could be off: intervals from drawing scenes again.

Neighboring images of a recording show one scene, so images are no independent draws, but
recordings nearly are. Dimensions: N images, K classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from m3l_core.metrics import mean_iou_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Interval = tuple[float, float]
    """The 2.5th and 97.5th percentile, in percent."""

_RESAMPLES = 2000


def blocks_of(scenes: Sequence[str]) -> NDArray[np.int64]:
    """Return the block of each image `(N,)`, from 0: those of one scene are one.

    Args:
        scenes: The scene of each image.
    """
    numbers = {scene: number for number, scene in enumerate(dict.fromkeys(scenes))}
    return np.array([numbers[scene] for scene in scenes], np.int64)


def mean_iou_intervals(
    counts: Mapping[str, NDArray[np.int64]], blocks: NDArray[np.int64], *, seed: int = 0
) -> dict[str, Interval]:
    """Return the 95 % interval of each condition's mIoU, and of their mean as `mm_robust`.

    Blocks are drawn with replacement, the same ones for every condition. With few blocks the
    interval is itself a rough estimate; with one it is empty, as there is nothing to draw.

    Args:
        counts: Confusion counts `(N, K, K + 1)` of each condition.
        blocks: The block of each image `(N,)`, from 0.
        seed: Of the draws.
    """
    draws = draw_blocks(blocks, seed)
    if draws is None:
        return {}
    scores = drawn_scores(counts, blocks, draws)
    return {name: percentiles(values) for name, values in scores.items()}


def draw_blocks(blocks: NDArray[np.int64], seed: int) -> NDArray[np.float64] | None:
    """Return how often each of L blocks is in each of D draws, `(D, L)`; None for one block.

    Args:
        blocks: The block of each image `(N,)`, from 0.
        seed: Of the draws.
    """
    number = int(blocks.max()) + 1
    if number < 2:
        return None
    generator = np.random.default_rng(seed)
    draws = generator.multinomial(number, np.full(number, 1 / number), _RESAMPLES)
    return draws.astype(np.float64)


def drawn_scores(
    counts: Mapping[str, NDArray[np.int64]],
    blocks: NDArray[np.int64],
    draws: NDArray[np.float64],
) -> dict[str, NDArray[np.float64]]:
    """Return the mIoU `(D,)` of each condition in every draw, and their mean as `mm_robust`.

    Args:
        counts: Confusion counts `(N, K, K + 1)` of each condition.
        blocks: The block of each image `(N,)`, from 0.
        draws: How often each block counts, `(D, L)`.
    """
    scores = {}
    for name, of_image in counts.items():
        of_block = np.zeros((draws.shape[1], *of_image.shape[1:]))
        np.add.at(of_block, blocks, of_image)
        drawn = draws @ of_block.reshape(len(of_block), -1)
        scores[name] = mean_iou_of(drawn.reshape(len(draws), *of_image.shape[1:]))
    scores['mm_robust'] = np.mean(list(scores.values()), axis=0)
    return scores


def percentiles(values: NDArray[np.float64]) -> Interval:
    """Return the 2.5th and 97.5th percentile of draws."""
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)
