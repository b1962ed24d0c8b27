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
        table[: len(self.palette)] = self.palette
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


def labels_from_nyu40(ids: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return 13-class labels (0 to 12, 255 = void) of NYU40 ids (0 = void, 1 to 40)."""
    table = np.full(256, IGNORE, np.uint8)
    for nyu40, nyu13 in enumerate(_NYU13_OF_NYU40):
        if nyu13:
            table[nyu40] = nyu13 - 1
    return table[ids]
