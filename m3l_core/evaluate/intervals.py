"""How far a score could be off: intervals from drawing scenes again.

Neighboring images of a recording show one scene, so images are no independent draws, but
recordings nearly are. Dimensions: N images, K classes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from m3l_core.metrics import mean_iou_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Interval = tuple[float, float]
    """The 2.5th and 97.5th percentile, in percent."""

_RESAMPLES = 2000


def blocks_of(ids: Sequence[str]) -> NDArray[np.int64]:
    """Return the block of each image `(N,)`, from 0: a run of consecutive numbers is one.

    Args:
        ids: In the order of the list; one that ends in no number is a block of its own.
    """
    blocks = np.zeros(len(ids), np.int64)
    for index in range(1, len(ids)):
        blocks[index] = blocks[index - 1] + (not _follows(ids[index], ids[index - 1]))
    return blocks


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
    number = int(blocks.max()) + 1
    if number < 2:
        return {}
    draws = np.random.default_rng(seed).multinomial(
        number, np.full(number, 1 / number), _RESAMPLES
    )
    scores = {}
    for name, of_image in counts.items():
        of_block = np.zeros((number, *of_image.shape[1:]))
        np.add.at(of_block, blocks, of_image)
        drawn = draws.astype(np.float64) @ of_block.reshape(number, -1)
        scores[name] = mean_iou_of(drawn.reshape(_RESAMPLES, *of_image.shape[1:]))
    scores['mm_robust'] = np.mean(list(scores.values()), axis=0)
    return {name: _interval(values) for name, values in scores.items()}


def _interval(values: NDArray[np.float64]) -> Interval:
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)


def _follows(name: str, previous: str) -> bool:
    one, other = (re.fullmatch(r'(.*?)(\d+)', text, re.DOTALL) for text in (name, previous))
    return (
        one is not None
        and other is not None
        and one[1] == other[1]
        and int(one[2]) == int(other[2]) + 1
    )
