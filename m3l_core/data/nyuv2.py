"""NYU Depth v2, the labelled set (Silberman et al., ECCV 2012), in 13 or in 40 classes."""

from __future__ import annotations

from typing import Literal, TYPE_CHECKING

import numpy as np

from m3l_core.classes import IGNORE, NYU13, NYU40, nyu40_table
from m3l_core.data.card import DataCard
from m3l_core.data.folder import Folder
from m3l_core.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

FRAME = 8
"""Width in pixels of the white border that every NYUv2 image has; nothing there is labelled."""

LABELS = 'label40'

TERMS = (
    'Weights trained on NYU Depth v2 (Silberman, Hoiem, Kohli, Fergus; ECCV 2012), which its '
    'authors offer for research; check its terms before commercial use.'
)

CLASSES = {'nyu13': NYU13, 'nyu40': NYU40}


class NyuV2(Folder):
    """One split of NYUv2.

    The folder holds `rgb/ID.jpg`, `depth/ID.png` (uint16 millimeters), `label40/ID.png` and the
    lists `train.txt` (795), `val.txt` (123 of the 795) and `test.txt` (654). The split `train`
    is without `val`; `trainval` is all 795.

    Raises:
        DataError: If the folder or one of its lists is missing.
    """

    def __init__(
        self, root: Path, split: str, classes: Literal['nyu13', 'nyu40'] = 'nyu13'
    ) -> None:
        for needed in ('train.txt', 'val.txt'):  # made-up splits would mix scenes
            if not (root / needed).is_file():
                raise DataError(
                    f'{root / needed}: there is no such file. Expected a folder that holds NYUv2.'
                )
        super().__init__(root, split, card=nyu_card(classes), labels=LABELS)


def nyu_card(classes: Literal['nyu13', 'nyu40']) -> DataCard:
    """Return what a `card.yaml` of NYUv2 would say."""
    class_set = CLASSES[classes]
    table = nyu40_table(class_set)
    return DataCard(
        name='NYUv2',
        classes=class_set.names,
        map={int(i): class_set.names[table[i]] for i in np.flatnonzero(table != IGNORE)},
        clean_depth=True,
        frame=FRAME,
        terms=TERMS,
    )
