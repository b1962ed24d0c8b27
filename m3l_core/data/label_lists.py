"""Lists of the few images to label, or whose labels to use, for several counts and seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from m3l_core.data.few_labels import labeling_order, shown_classes
from m3l_core.errors import DataError
from m3l_core.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from m3l_core.data.folder import Folder


@dataclass(frozen=True)
class LabelList:
    """One list that was written.

    Attributes:
        path: Where.
        scenes: How many scenes its images are of.
        rarest: The class that the fewest of its images show, empty if there are no labels.
        shown: How many show that class.
    """

    path: Path
    seed: int
    count: int
    scenes: int
    rarest: str
    shown: int


def write_label_lists(
    folder: Folder,
    counts: Sequence[int],
    seeds: Sequence[int],
    out: Path,
    *,
    force: bool = False,
    on_image: Callable[[], None] | None = None,
) -> list[LabelList]:
    """Write `OUT/labels_COUNT_seed_SEED.txt` for each count and seed, and tell what is in them.

    Each line names an image, the first to label first; of one seed, a shorter list is the
    beginning of a longer one. See `few_labels`. `open_samples` takes such a list as a split.

    Args:
        folder: The images to choose from. Without labels, they are only spread over scenes.
        counts: How many images.
        seeds: What decides which.
        out: Folder to write into.
        force: Whether to replace lists that are there already.
        on_image: Called for each image whose labels were read.

    Raises:
        DataError: If a list is there already, there are fewer images, or they are too few for
            three of each class.
        M3lError: If a list cannot be written.
    """
    paths = {(c, s): out / f'labels_{c}_seed_{s}.txt' for s in seeds for c in sorted(set(counts))}
    there = [path for path in paths.values() if path.exists()]
    if there and not force:
        raise DataError(f'{there[0]}: is there already. Give --force to replace it.')
    shown = np.zeros((len(folder), len(folder.classes)), np.bool_)
    if folder.card.labeled:
        shown = shown_classes(folder, on_image)
    orders = {seed: labeling_order(folder, shown, seed=seed) for seed in seeds}
    least = max(needed for _, needed in orders.values())
    most = min(len(order) for order, _ in orders.values())
    if not max(1, least) <= min(counts) <= max(counts) <= most:
        raise DataError(
            f'{folder.root}: expected counts of {max(1, least)} to {most}, got '
            f'{", ".join(map(str, counts))}. It takes {least} to show each class three times; '
            f'{most} images can be chosen.'
        )
    written = []
    for (count, seed), path in paths.items():
        chosen = orders[seed][0][:count]
        write_atomically(path, ''.join(f'{folder.ids[i]}\n' for i in chosen).encode())
        with_class = shown[chosen].sum(axis=0)
        rarest = int(with_class.argmin()) if folder.card.labeled else None
        written.append(
            LabelList(
                path=path,
                seed=seed,
                count=count,
                scenes=len({folder.scenes[i] for i in chosen}),
                rarest='' if rarest is None else folder.classes.names[rarest],
                shown=0 if rarest is None else int(with_class[rarest]),
            )
        )
    return written
