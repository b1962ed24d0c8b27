"""One split of a data set of image files."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from m3l_core.classes import IGNORE, published_name, table_between
from m3l_core.data.card import UNKNOWN
from m3l_core.data.keeping import Keeper
from m3l_core.data.plain import plain_layout
from m3l_core.data.samples import decode_depth, decode_rgb, Sample, unrotated
from m3l_core.data.scenes import scenes_by_name
from m3l_core.data.splits import read_names
from m3l_core.data.tree import open_tree
from m3l_core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from m3l_core.classes import ClassSet
    from m3l_core.data.card import DataCard
    from m3l_core.data.layout import Files, Layout
    from m3l_core.data.splits import Splits

LIST_SUFFIX = '.txt'


class Folder:
    """Some of the images of a folder, or of the same folder in a zip file.

    An image without a label file, or of a data set without labels, has no pixel with a class.

    Args:
        root: The folder or zip file.
        split: Which of its images: train, val, trainval, test or all; or a list of images,
            `FILE.txt`, in the data set or elsewhere.
        layout: Where the files are and what they mean; None reads it from `card.yaml`, see
            `plain_layout`.
        classes: What labels shall mean; None takes the card's.

    Raises:
        DataError: If files are missing, lists are wrong, or the card's classes cannot become
            those asked for.
        ConfigError: Naming every problem of the card.
    """

    def __init__(
        self,
        root: Path,
        split: str = 'all',
        *,
        layout: Layout | None = None,
        classes: ClassSet | None = None,
    ) -> None:
        self.root = root
        self.tree = open_tree(root)
        self._layout = layout or plain_layout(self.tree)
        self.classes = classes or self._layout.classes or self.card.class_set
        self.label_table = _label_table(self.card, self.classes, root)
        if split.endswith(LIST_SUFFIX):
            self.ids = read_names(self.tree, Path(split), self._layout.files)
        else:
            self.ids = self.splits.of(split, str(root))
        self._keep = Keeper(self.read)

    @property
    def card(self) -> DataCard:
        """What the files mean."""
        return self._layout.card

    @property
    def splits(self) -> Splits:
        """Which images are for learning and which for scoring."""
        return self._layout.splits

    @property
    def every_file(self) -> bool:
        """Whether a file in its folders that no image uses is odd."""
        return self._layout.every_file

    @property
    def name(self) -> str:
        """What the card calls it, else the name of the folder."""
        return self.card.name or self.root.resolve().stem

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
        """The scene of each image, as far as layout or names tell."""
        if self._layout.scenes is None:
            return scenes_by_name(self.ids)
        return tuple(self._layout.scenes[name] for name in self.ids)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Sample:
        return self._keep(index)

    def once(self) -> Iterator[Sample]:
        """Yield every sample without keeping it."""
        return map(self.read, range(len(self)))

    def labels_once(self) -> Iterator[NDArray[np.uint8]]:
        """Yield the labels `(H, W)` of every sample; of those with labels read no more."""
        for index, name in enumerate(self.ids):
            file = self.files(name).labels
            yield self.read(index).labels if file is None else self._read_labels(name)

    def expect_labels(self) -> None:
        """Check that there is something to score; reads labels up to the first that have a class.

        Raises:
            DataError: If no pixel has a class.
        """
        if not any((labels != IGNORE).any() for labels in self.labels_once()):
            raise DataError(
                f'{self.root}: no pixel of the {len(self)} images to score on has a class. '
                'Label them, or name others in val.txt.'
            )

    def files(self, name: str) -> Files:
        """Return the files of an image, relative to the data set."""
        return self._layout.files[name]

    def read(self, index: int) -> Sample:
        """Return a sample without keeping it."""
        name = self.ids[index]
        color = self.read_rgb(name)
        sample = Sample(
            name=name,
            rgb=color,
            depth_mm=self._millimeters(self.read_depth(name)),
            labels=(
                np.full(color.shape[:2], IGNORE, np.uint8)
                if self.files(name).labels is None
                else self._read_labels(name)
            ),
        )
        size = sample.rgb.shape[:2]
        if not size == sample.depth_mm.shape == sample.labels.shape:
            raise DataError(
                f'{self.root}: the images of {name} differ in size: color {size}, depth '
                f'{sample.depth_mm.shape}, labels {sample.labels.shape}.'
            )
        return sample

    def read_rgb(self, name: str) -> NDArray[np.uint8]:
        """Return the color image `(H, W, 3)` of an image."""
        file = self.files(name).rgb
        return decode_rgb(self.tree.read(file), f'{self.root}/{file}')

    def read_depth(self, name: str) -> NDArray[np.uint16]:
        """Return the depth `(H, W)` of an image in the card's unit, 0 = no reading."""
        file = self.files(name).depth
        depth = decode_depth(self.tree.read(file), f'{self.root}/{file}')
        if self.card.depth_missing:
            depth[depth == self.card.depth_missing] = 0
        if self.card.depth_rotated:
            depth = unrotated(depth)
        return depth

    def read_ids(self, name: str) -> NDArray[np.uint8]:
        """Return the ids `(H, W)` of an image with labels, as its file holds them."""
        file = self.files(name).labels
        if file is None:
            raise DataError(f'{self.root}: {name} has no labels.')
        return self._layout.read_ids(self.tree, file)

    def _millimeters(self, depth: NDArray[np.uint16]) -> NDArray[np.uint16]:
        if self.card.depth_unit_m == 0.001:
            return depth
        scaled = np.rint(depth * np.float32(1000 * self.card.depth_unit_m))
        return np.asarray(np.minimum(scaled, 65535), np.uint16)

    def _read_labels(self, name: str) -> NDArray[np.uint8]:
        ids = self.read_ids(name)
        labels: NDArray[np.uint8] = self.label_table[ids]
        if (labels == UNKNOWN).any():
            unknown = np.unique(ids[labels == UNKNOWN]).tolist()
            raise DataError(
                f'{self.root}/{self.files(name).labels}: holds the ids {unknown}, which are none '
                f'of its {len(self.card.classes)} classes and not void. '
                'Give a `map` in card.yaml.'
            )
        return labels


def _called(classes: ClassSet) -> str:
    return published_name(classes) or ', '.join(classes.names)


def _label_table(card: DataCard, classes: ClassSet, root: Path) -> NDArray[np.uint8]:
    """Return the label in `classes` of each id, 255 = none, 254 = an id that should not occur."""
    between = table_between(card.class_set, classes)
    if between is None:
        raise DataError(
            f'{root}: labels {_called(card.class_set)}, which cannot become {_called(classes)}. '
            'Give images with those classes, or ask for others.'
        )
    between[UNKNOWN] = UNKNOWN
    table: NDArray[np.uint8] = between[card.label_table]
    return table
