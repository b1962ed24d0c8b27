"""Where the files of a data set lie and what they mean: what tells one kind from another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TYPE_CHECKING

from m3l_core.data.samples import decode_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from m3l_core.classes import ClassSet
    from m3l_core.data.card import DataCard
    from m3l_core.data.splits import Splits
    from m3l_core.data.tree import Tree


class Files(NamedTuple):
    """The files of one image, relative to the data set; `labels` is None where it has none."""

    rgb: str
    depth: str
    labels: str | None


def ids_in_file(tree: Tree, file: str) -> NDArray[np.uint8]:
    """Return the class ids `(H, W)` in an 8-bit PNG.

    Raises:
        DataError: If it is missing or something else.
    """
    return decode_ids(tree.read(file), f'{tree.root}/{file}')


@dataclass(frozen=True, kw_only=True)
class Layout:
    """All that a kind of data set says of itself.

    Attributes:
        card: What the files mean.
        files: Those of each image, by its name.
        splits: Which images are for learning and which for scoring.
        classes: What labels mean unless something else is asked for; None takes the card's.
        scenes: The scene of each image; None if only its name tells.
        read_ids: Returns the ids `(H, W)` in a label file, which `card.label_table` explains.
        every_file: Whether the folders hold nothing else, so that a file no image uses is odd.
    """

    card: DataCard
    files: Mapping[str, Files]
    splits: Splits
    classes: ClassSet | None = None
    scenes: Mapping[str, str] | None = None
    read_ids: Callable[[Tree, str], NDArray[np.uint8]] = ids_in_file
    every_file: bool = True
