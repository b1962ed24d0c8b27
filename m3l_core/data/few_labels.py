"""Which few images of a data set keep their labels, so that one can learn from few of them.

All images of a split are put into one order, of which every count takes the first ones: so fewer
labels are always among more. First come those that show every class three times, then images of
scene after scene, so that neighbors, which look alike, come late. Chance is a hash of the seed
and the names, the same on every machine and with every version of NumPy.
"""

from __future__ import annotations

from collections import defaultdict
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from m3l_core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from numpy.typing import NDArray

    from m3l_core.data.samples import Samples

_IMAGES_OF_A_CLASS = 3

_SHOWN_SHARE = 0.001
"""Share of an image that a class must fill to be shown, if in three images it fills so much."""


def few_labels(samples: Samples, count: int, *, seed: int) -> tuple[list[int], list[int]]:
    """Choose the images whose labels are used; reads all labels once.

    For one seed the images of a smaller count are the first ones of a larger count. Every class
    is shown by at least three of them, or by all that show it if there are fewer. Images are
    spread over the scenes, and within one over its length.

    Args:
        samples: One split of a data set with labels.
        count: How many keep their labels.
        seed: Another one chooses others.

    Returns:
        The indices with labels, the first to label first, and those of the rest in order.

    Raises:
        DataError: If there are fewer images with labels, or `count` are too few for three of
            each class.
    """
    order, needed = labeling_order(samples, shown_classes(samples), seed=seed)
    if not needed <= count <= len(order):
        raise DataError(
            f'{samples.root}: expected {needed} to {len(order)} images with labels, got {count}. '
            f'With seed {seed} it takes {needed} to show each of {len(samples.classes)} classes '
            f'{_IMAGES_OF_A_CLASS} times; {len(order)} images of the split have labels.'
        )
    chosen = order[:count]
    return chosen, sorted(set(range(len(samples))) - set(chosen))


def shown_classes(
    samples: Samples, on_image: Callable[[], None] | None = None
) -> NDArray[np.bool_]:
    """Return which image shows which class, `(images, K)`; reads all labels.

    Args:
        samples: One split of a data set.
        on_image: Called after each image.

    Raises:
        DataError: If labels cannot be read.
    """
    kinds = len(samples.classes)
    shares = np.zeros((len(samples), kinds))
    for index, labels in enumerate(samples.labels_once()):
        shares[index] = np.bincount(labels.ravel(), minlength=256)[:kinds] / labels.size
        if on_image is not None:
            on_image()
    if len(samples) < _IMAGES_OF_A_CLASS:
        return shares > 0
    third = np.sort(shares, axis=0)[-_IMAGES_OF_A_CLASS]
    return np.asarray((shares > 0) & (shares >= np.minimum(third, _SHOWN_SHARE)))


def labeling_order(
    samples: Samples, shown: NDArray[np.bool_], *, seed: int
) -> tuple[list[int], int]:
    """Return the indices in the order of `few_labels`, and how many show each class three times.

    Images in which no pixel has a class are left out, unless that is so in all of them: then
    this is an order in which to label them.

    Args:
        samples: One split of a data set.
        shown: Which image shows which class, `(images, K)`.
        seed: Another one gives another order.
    """
    scenes = samples.scenes
    turns = _turns(scenes, seed, first=())
    labeled = np.flatnonzero(shown.any(axis=1) | ~shown.any()).tolist()
    core = _showing_each_class(shown, sorted(labeled, key=turns.__getitem__))
    turns = _turns(scenes, seed, first=core)
    rest = sorted(set(labeled) - set(core), key=turns.__getitem__)
    return [*core, *rest], len(core)


def _chance(seed: int, text: str, number: int) -> float:
    """Return a number in [0, 1) that depends on nothing else."""
    digest = blake2b(f'{seed}/{number}/{text}'.encode(), digest_size=6).digest()
    return int.from_bytes(digest, 'big') / 2**48


def _turns(
    scenes: Sequence[str], seed: int, *, first: Collection[int]
) -> list[tuple[int, float, str]]:
    """Return what to sort images by: each scene once, in a new order, then each again.

    Images in `first` are the first of their scenes.
    """
    members: dict[str, list[int]] = defaultdict(list)
    for index, scene in enumerate(scenes):
        members[scene].append(index)
    turns = [(0, 0.0, '')] * len(scenes)
    for scene, indices in members.items():
        spread = [indices[i] for i in _far_apart(len(indices), _chance(seed, scene, -1))]
        for turn, index in enumerate(sorted(spread, key=lambda i: i not in first)):
            turns[index] = (turn, _chance(seed, scene, turn), scene)
    return turns


def _far_apart(count: int, start: float) -> list[int]:
    """Return 0 to `count` - 1 in an order of which the first few always lie far apart."""
    golden = (5**0.5 - 1) / 2
    drawn = sorted(range(count), key=lambda i: (start + i * golden) % 1)
    order = [0] * count
    for place, i in enumerate(drawn):
        order[i] = place
    return order


def _showing_each_class(shown: NDArray[np.bool_], order: Sequence[int]) -> list[int]:
    """Return images that show every class three times, the first in `order` that do so.

    Begins with the classes that the fewest images show.
    """
    core: list[int] = []
    for kind in np.argsort(shown.sum(axis=0), kind='stable'):
        missing = max(0, _IMAGES_OF_A_CLASS - int(shown[core, kind].sum()))
        others = (i for i in order if shown[i, kind] and i not in core)
        core += list(islice(others, missing))
    return core
