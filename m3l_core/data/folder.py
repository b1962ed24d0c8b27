"""A plain folder of RGB-D images: `rgb/`, `depth/`, a card, and `labels/` if it says so."""

from __future__ import annotations

from functools import cached_property
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np

from m3l_core.classes import IGNORE
from m3l_core.data.card import DataCard, read_card, UNKNOWN
from m3l_core.data.keeping import Keeper
from m3l_core.data.samples import decode_depth, decode_ids, decode_rgb, Sample
from m3l_core.data.scenes import scenes_by_name
from m3l_core.data.splits import read_splits
from m3l_core.data.tree import open_tree
from m3l_core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from m3l_core.classes import ClassSet

RGB_SUFFIXES = ('.jpg', '.jpeg', '.png')


class Folder:
    """One split of the images of a folder, or of the same folder in a zip file.

    It holds `rgb/NAME.jpg` or `.png`, `depth/NAME.png` (16 bits, in the card's unit),
    `labels/NAME.png` (8 bits), `card.yaml` (see `DataCard`) and perhaps lists (see
    `read_splits`). Without labels, as the card says, no pixel of a sample has a class.

    Args:
        root: The folder or zip file.
        split: Which of its images: train, val, trainval, test or all.
        card: What to read instead of `card.yaml`.
        labels: The folder of the label files.

    Raises:
        DataError: If files are missing or lists are wrong.
        ConfigError: Naming every problem of the card.
    """

    def __init__(
        self,
        root: Path,
        split: str = 'all',
        *,
        card: DataCard | None = None,
        labels: str = 'labels',
    ) -> None:
        self.root = root
        self.tree = open_tree(root)
        self.card = card or read_card(self.tree)
        self.label_folder = labels
        self._rgb_files = {
            PurePath(file).stem: f'rgb/{file}'
            for file in self.tree.names('rgb')
            if PurePath(file).suffix.lower() in RGB_SUFFIXES
        }
        if not self._rgb_files:
            raise DataError(f'{root}/rgb: expected JPEG or PNG images, found none.')
        self.splits = read_splits(self.tree, sorted(self._rgb_files))
        self.ids = self.splits.of(split, str(root))
        self._keep = Keeper(self.read)

    @property
    def name(self) -> str:
        """What the card calls it, else the name of the folder."""
        return self.card.name or self.root.resolve().stem

    @property
    def classes(self) -> ClassSet:
        """What its labels mean."""
        return self.card.class_set

    @property
    def frame(self) -> int:
        """Width in pixels of a border that no view may show."""
        return self.card.frame

    @property
    def clean_depth(self) -> bool:
        """Whether its depth lacks a sensor's holes and noise."""
        return self.card.clean_depth

    @property
    def terms(self) -> str:
        """What weights trained on it are subject to."""
        return self.card.terms

    @cached_property
    def scenes(self) -> tuple[str, ...]:
        """The scene of each image, told by its name."""
        return scenes_by_name(self.ids)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Sample:
        return self._keep(index)

    def once(self) -> Iterator[Sample]:
        """Yield every sample without keeping it."""
        return map(self.read, range(len(self)))

    def labels_once(self) -> Iterator[NDArray[np.uint8]]:
        """Yield the labels `(H, W)` of every sample of a labeled data set, and read no more."""
        return (self._read_labels(self.files(name)[2]) for name in self.ids)

    def files(self, name: str) -> tuple[str, str, str]:
        """Return the color, depth and label file of an image, relative to the data set."""
        return self._rgb_files[name], f'depth/{name}.png', f'{self.label_folder}/{name}.png'

    def read(self, index: int) -> Sample:
        """Return a sample without keeping it."""
        name = self.ids[index]
        rgb, depth, labels = self.files(name)
        color = decode_rgb(self.tree.read(rgb), f'{self.root}/{rgb}')
        sample = Sample(
            name=name,
            rgb=color,
            depth_mm=self._millimeters(
                decode_depth(self.tree.read(depth), f'{self.root}/{depth}')
            ),
            labels=(
                self._read_labels(labels)
                if self.card.labeled
                else np.full(color.shape[:2], IGNORE, np.uint8)
            ),
        )
        size = sample.rgb.shape[:2]
        if not size == sample.depth_mm.shape == sample.labels.shape:
            raise DataError(
                f'{self.root}: the images of {name} differ in size: color {size}, depth '
                f'{sample.depth_mm.shape}, labels {sample.labels.shape}.'
            )
        return sample

    def _millimeters(self, depth: NDArray[np.uint16]) -> NDArray[np.uint16]:
        if self.card.depth_unit_m == 0.001:
            return depth
        scaled = np.rint(depth * np.float32(1000 * self.card.depth_unit_m))
        return np.asarray(np.minimum(scaled, 65535), np.uint16)

    def _read_labels(self, file: str) -> NDArray[np.uint8]:
        ids = decode_ids(self.tree.read(file), f'{self.root}/{file}')
        labels: NDArray[np.uint8] = self.card.label_table[ids]
        if (labels == UNKNOWN).any():
            unknown = np.unique(ids[labels == UNKNOWN]).tolist()
            raise DataError(
                f'{self.root}/{file}: holds the ids {unknown}, but the card names '
                f'{len(self.classes)} classes (0 to {len(self.classes) - 1}) and ignores '
                f'{self.card.ignore}. Give a `map` in card.yaml.'
            )
        return labels
