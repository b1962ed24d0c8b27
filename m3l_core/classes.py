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


def nyu40_table(classes: ClassSet) -> NDArray[np.uint8]:
    """Return the label in `classes` (NYU13 or NYU40) of each of the 256 ids a file may hold.

    Ids are 1 to 40; 0, which is void, and all others become 255.
    """
    table = np.full(256, IGNORE, np.uint8)
    if classes == NYU40:
        table[1:41] = np.arange(40)
        return table
    for nyu40, nyu13 in enumerate(_NYU13_OF_NYU40):
        if nyu13:
            table[nyu40] = nyu13 - 1
    return table


def labels_from_nyu40(ids: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return 13-class labels (0 to 12, 255 = void) of NYU40 ids (0 = void, 1 to 40)."""
    labels: NDArray[np.uint8] = nyu40_table(NYU13)[ids]
    return labels
