"""Data sets for a network that is already there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from m3l_core.classes import published_name
from m3l_core.data.opening import open_samples
from m3l_core.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from m3l_core.classes import ClassSet
    from m3l_core.data.folder import Folder


def open_matching(path: Path, split: str, classes: ClassSet) -> Folder:
    """Open one split of a data set whose labels mean what a network's mean.

    Args:
        path: As for `open_samples`; labels become the classes of the network if they can, see
            `table_between`.
        split: train, val, trainval, test or all.
        classes: The network's.

    Raises:
        DataError: If it tells other classes apart, or is no data set.
        ConfigError: Naming every problem of its card.
    """
    samples = open_samples(path, split, classes=published_name(classes))
    if samples.classes.names != classes.names:
        raise DataError(
            f'{path}: labels {", ".join(samples.classes.names)}; expected those of the network, '
            f'{", ".join(classes.names)}. Give images with its classes.'
        )
    return samples
