"""One door to every kind of data set."""

from __future__ import annotations

from typing import Literal, TYPE_CHECKING

from m3l_core.data.card import CARD
from m3l_core.data.folder import Folder
from m3l_core.data.nyuv2 import LABELS, NyuV2
from m3l_core.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

NyuClasses = Literal['nyu13', 'nyu40']


def open_samples(
    path: Path, split: str, *, classes: NyuClasses | None = None, labeled: bool = True
) -> Folder:
    """Open one split of a data set, recognizing what it is by the files in it.

    Args:
        path: A folder with `card.yaml` (one's own, or rendered rooms), the folder of NYUv2, or
            a file that `m3l data pack` made.
        split: train, val, trainval, test or all.
        classes: Which labels of NYUv2; None takes nyu13. A data set with a card has the classes
            of its card.
        labeled: Whether labels are needed; otherwise a data set without any will do as well.

    Raises:
        DataError: If it is none of these, has other classes, or lacks labels that are needed.
        ConfigError: Naming every problem of its card.
    """
    if (path / LABELS).is_dir() and not (path / CARD).exists():
        return NyuV2(path, split, classes or 'nyu13')
    if path.is_dir() and not (path / CARD).exists():
        raise DataError(
            f'{path}: expected {CARD} (a folder of images) or {LABELS}/ (NYUv2), found '
            f'neither. Write {CARD} with at least: classes: [first, second]'
        )
    if classes is not None:
        raise DataError(
            f'{path}: expected the folder of NYUv2 to choose {classes} in, got a data set that '
            'names its own classes. Leave the choice out.'
        )
    folder = Folder(path, split)
    if labeled and not folder.card.labeled:
        raise DataError(
            f'{path}: expected a data set with labels, got one that has none by its {CARD}. '
            'Label some of its images, or give it where unlabeled images are asked for.'
        )
    return folder
