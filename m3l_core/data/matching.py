"""Data sets for a network that is already there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from m3l_core.classes import NYU40
from m3l_core.data.card import CARD
from m3l_core.data.nyuv2 import LABELS
from m3l_core.data.opening import open_samples
from m3l_core.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from m3l_core.classes import ClassSet
    from m3l_core.data.folder import Folder


def open_matching(path: Path, split: str, classes: ClassSet) -> Folder:
    """Open one split of a data set whose labels mean what a network's mean.

    Args:
        path: As for `open_samples`; NYUv2 is opened in the 13 or 40 classes of the network.
        split: train, val, trainval, test or all.
        classes: The network's.

    Raises:
        DataError: If it tells other classes apart, or is no data set.
        ConfigError: Naming every problem of its card.
    """
    is_nyu = (path / LABELS).is_dir() and not (path / CARD).exists()
    in_40 = is_nyu and classes.names == NYU40.names
    samples = open_samples(path, split, classes='nyu40' if in_40 else None)
    if samples.classes.names != classes.names:
        raise DataError(
            f'{path}: labels {", ".join(samples.classes.names)}; expected those of the network, '
            f'{", ".join(classes.names)}. Give images with its classes.'
        )
    return samples
