"""One door to every kind of data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from m3l_core.classes import PUBLISHED
from m3l_core.data.card import CARD
from m3l_core.data.folder import Folder
from m3l_core.data.nyuv2 import is_nyuv2, nyuv2_layout
from m3l_core.data.plain import plain_layout
from m3l_core.data.stanford import is_stanford, stanford_layout
from m3l_core.data.sun_folders import is_sun_folders, sun_folders_layout
from m3l_core.data.sun_toolbox import is_sun_toolbox, sun_toolbox_layout
from m3l_core.data.tree import open_tree
from m3l_core.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from m3l_core.data.layout import Layout
    from m3l_core.data.tree import Tree

_KINDS = (
    (is_nyuv2, nyuv2_layout),
    (is_stanford, stanford_layout),
    (is_sun_toolbox, sun_toolbox_layout),
    (is_sun_folders, sun_folders_layout),
)
"""Data sets that need no card: how to recognize each, and where its files are."""


def open_samples(
    path: Path, split: str, *, classes: str | None = None, labeled: bool = True
) -> Folder:
    """Open one split of a data set, recognizing what it is by the files in it.

    Args:
        path: A folder with `card.yaml` (one's own, or rendered rooms), the folder of NYUv2, SUN
            RGB-D or Stanford 2D-3D-S, or a file that `m3l data pack` made.
        split: train, val, trainval, test or all; or a list of images, `FILE.txt`.
        classes: What labels shall mean: nyu13, nyu40, sun37 or stanford13. None takes the classes
            of the data set; of NYUv2 those are nyu13.
        labeled: Whether labels are needed; otherwise a data set without any will do as well.

    Raises:
        DataError: If it is none of these, its classes cannot become those asked for, or it lacks
            labels that are needed.
        ConfigError: Naming every problem of its card.
    """
    if classes is not None and classes not in PUBLISHED:
        raise DataError(f'classes: expected one of {", ".join(PUBLISHED)}, got {classes!r}.')
    layout = _layout(open_tree(path))
    if labeled and not layout.card.labeled:
        raise DataError(
            f'{path}: expected a data set with labels, got one that has none by its {CARD}. '
            'Label some of its images, or give it where unlabeled images are asked for.'
        )
    return Folder(path, split, layout=layout, classes=PUBLISHED[classes] if classes else None)


def _layout(tree: Tree) -> Layout:
    if tree.has(CARD):
        return plain_layout(tree)
    for is_this, layout in _KINDS:
        if is_this(tree):
            return layout(tree)
    raise DataError(
        f'{tree.root}: expected {CARD} (a folder of images), or the files of NYUv2 (label40/), '
        'SUN RGB-D (kv1/ or label37/) or Stanford 2D-3D-S (area_1/), found none of them. Write '
        f'{CARD} with at least: classes: [first, second]'
    )
