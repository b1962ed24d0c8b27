"""Class names, their colors, and how the ids of public datasets map to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

IGNORE = 255
"""Label of a pixel that has no class: void in datasets, padding in training, unsure in masks."""


@dataclass(frozen=True)
class ClassSet:
    """Names and colors of the classes a network tells apart, in the order of their index."""

    names: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]

    def __len__(self) -> int:
        return len(self.names)

    def colors(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return `(..., 3)` RGB colors of `labels`; ids without a class are black."""
        table = np.zeros((256, 3), np.uint8)
        table[: len(self.palette)] = np.reshape(self.palette, (-1, 3))
        return table[labels]


NYU13 = ClassSet(
    names=(
        'bed', 'books', 'ceiling', 'chair', 'floor', 'furniture', 'objects',
        'picture', 'sofa', 'table', 'tv', 'wall', 'window',
    ),
    palette=(
        (186, 85, 211), (255, 215, 0), (176, 224, 230), (220, 60, 60), (139, 105, 70),
        (46, 139, 87), (255, 140, 0), (255, 105, 180), (65, 105, 225), (154, 205, 50),
        (0, 206, 209), (150, 150, 160), (240, 240, 140),
    ),
)  # fmt: skip
"""The 13 classes of NYUv2 (Couprie et al., 2013), index 0 = bed."""

_NYU13_OF_NYU40 = (
    0, 12, 5, 6, 1, 4, 9, 10, 12, 13, 6, 8, 6, 13, 10, 6, 13, 6, 7, 7, 5, 7, 3, 2, 6, 11, 7, 7,
    7, 7, 7, 7, 6, 7, 7, 7, 7, 7, 7, 6, 7,
)  # fmt: skip
"""For NYU40 ids 0 (void) to 40: the 13-class id from 1, 0 = void."""


_NYU40_NAMES = (
    'wall', 'floor', 'cabinet', 'bed', 'chair', 'sofa', 'table', 'door', 'window', 'bookshelf',
    'picture', 'counter', 'blinds', 'desk', 'shelves', 'curtain', 'dresser', 'pillow', 'mirror',
    'floor mat', 'clothes', 'ceiling', 'books', 'refridgerator', 'television', 'paper', 'towel',
    'shower curtain', 'box', 'whiteboard', 'person', 'night stand', 'toilet', 'sink', 'lamp',
    'bathtub', 'bag', 'otherstructure', 'otherfurniture', 'otherprop',
)  # fmt: skip


def distinct_palette(count: int) -> tuple[tuple[int, int, int], ...]:
    """Return colors for `count` classes, up to 255, each unlike the others and unlike black.

    The first ones of a longer palette are those of a shorter one.
    """
    levels = np.arange(15, 256, 40)  # 7 for each channel: 343 colors
    grid = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(-1, 3)
    seen = grid * np.sqrt((2, 4, 3))  # about how much the eye makes of each channel
    nearest = np.linalg.norm(seen, axis=1)  # from black, which is no class
    colors = []
    for _ in range(count):
        best = int(nearest.argmax())
        colors.append((int(grid[best, 0]), int(grid[best, 1]), int(grid[best, 2])))
        nearest = np.minimum(nearest, np.linalg.norm(seen - seen[best], axis=1))
    return tuple(colors)


NYU40 = ClassSet(_NYU40_NAMES, distinct_palette(len(_NYU40_NAMES)))
"""The 40 classes of NYUv2 (Gupta et al., 2013), spelled as published; index 0 = wall."""


SUN37 = ClassSet(_NYU40_NAMES[:37], NYU40.palette[:37])
"""The 37 classes of SUN RGB-D (Song et al., 2015): those of NYUv2, in its spelling and order,
without otherstructure, otherfurniture and otherprop; index 0 = wall."""

STANFORD13 = ClassSet(
    names=(
        'beam', 'board', 'bookcase', 'ceiling', 'chair', 'clutter', 'column', 'door', 'floor',
        'sofa', 'table', 'wall', 'window',
    ),
    palette=(
        (160, 120, 60), (120, 220, 220), (46, 139, 87), (176, 224, 230), (220, 60, 60),
        (255, 140, 0), (186, 85, 211), (150, 75, 20), (139, 105, 70), (65, 105, 225),
        (154, 205, 50), (150, 150, 160), (240, 240, 140),
    ),
)  # fmt: skip
"""The 13 classes of Stanford 2D-3D-S (Armeni et al., 2017), index 0 = beam."""

PUBLISHED = {'nyu13': NYU13, 'nyu40': NYU40, 'sun37': SUN37, 'stanford13': STANFORD13}
"""Classes that have a name of their own."""


def published_name(classes: ClassSet) -> str | None:
    """Return the name of published classes, None for others."""
    names = (name for name, other in PUBLISHED.items() if other.names == classes.names)
    return next(names, None)


def table_between(source: ClassSet, target: ClassSet) -> NDArray[np.uint8] | None:
    """Return the label in `target` of each label in `source`, `(256,)`; 255 stays 255.

    SUN37 and NYU40 become each other, and both NYU13; what the target has no class for becomes
    255. None is returned for classes that do not say the same about a scene.
    """
    table = np.full(256, IGNORE, np.uint8)
    if source.names == target.names:
        table[: len(source)] = np.arange(len(source))
        return table
    kinds = {published_name(source), published_name(target)}
    if kinds == {'nyu40', 'sun37'}:
        table[: len(SUN37)] = np.arange(len(SUN37))
        return table
    if published_name(target) == 'nyu13' and kinds & {'nyu40', 'sun37'}:
        coarse = np.array(_NYU13_OF_NYU40[1 : len(source) + 1])
        table[: len(source)] = np.where(coarse > 0, coarse - 1, IGNORE)
        return table
    return None


def nyu40_table(classes: ClassSet) -> NDArray[np.uint8]:
    """Return the label in `classes` (NYU13 or NYU40) of each of the 256 ids a file may hold.

    Ids are 1 to 40; 0, which is void, and all others become 255.
    """
    table = np.full(256, IGNORE, np.uint8)
    between = table_between(NYU40, classes)
    if between is not None:
        table[1:41] = between[:40]
    return table


def labels_from_nyu40(ids: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return 13-class labels (0 to 12, 255 = void) of NYU40 ids (0 = void, 1 to 40)."""
    labels: NDArray[np.uint8] = nyu40_table(NYU13)[ids]
    return labels
