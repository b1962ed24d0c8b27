"""NYU Depth v2, the labeled set (Silberman et al., ECCV 2012)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from m3l_core.classes import NYU13, NYU40
from m3l_core.data.card import DataCard
from m3l_core.data.plain import folder_layout
from m3l_core.errors import DataError

if TYPE_CHECKING:
    from m3l_core.data.layout import Layout
    from m3l_core.data.tree import Tree

FRAME = 8
"""Width in pixels of the white border that every NYUv2 image has; nothing there is labeled."""

LABELS = 'label40'

TERMS = (
    'Weights trained on NYU Depth v2 (Silberman, Hoiem, Kohli, Fergus; ECCV 2012), which its '
    'authors offer for research; check its terms before commercial use.'
)


def is_nyuv2(tree: Tree) -> bool:
    """Tell whether these are the files of NYUv2."""
    return bool(tree.names(LABELS))


def nyuv2_layout(tree: Tree) -> Layout:
    """Return where the files of NYUv2 are; its labels mean the 13 classes unless asked.

    The folder holds `rgb/ID.jpg`, `depth/ID.png` (uint16 millimeters), `label40/ID.png` (0 =
    void, 1 to 40) and the lists `train.txt` (795), `val.txt` (123 of the 795) and `test.txt`
    (654). The split `train` is without `val`; `trainval` is all 795.

    Raises:
        DataError: If one of its lists is missing.
    """
    for needed in ('train.txt', 'val.txt'):  # made-up splits would mix scenes
        if not tree.has(needed):
            raise DataError(
                f'{tree.root}/{needed}: there is no such file. Expected a folder that holds NYUv2.'
            )
    card = DataCard(
        name='NYUv2',
        classes=NYU40.names,
        ids='nyu40',
        clean_depth=True,
        frame=FRAME,
        terms=TERMS,
    )
    return replace(folder_layout(tree, card, LABELS), classes=NYU13)
