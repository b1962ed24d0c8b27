"""What two methods are compared by: the confusion counts of every image, in a small file.

Dimensions: N images, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass
import io
from typing import Any, TYPE_CHECKING
import zipfile
import zlib

import numpy as np

from m3l_core.errors import DataError
from m3l_core.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from m3l_core.evaluate.scoring import Evaluation


_UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    AttributeError,
    TypeError,  # one array instead of several: no context manager
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What NumPy raises for files that are something else or damaged."""


def labeled_pixels(
    labels: Iterable[NDArray[np.uint8]], classes: Sequence[str]
) -> NDArray[np.int64]:
    """Return how many pixels of each class each label image holds, `(N, K)`."""
    kinds = len(classes)
    return np.array([np.bincount(image.ravel(), minlength=256)[:kinds] for image in labels])


@dataclass(frozen=True, eq=False)
class ImageCounts:
    """Confusion counts, image by image, all that scores and their intervals need.

    Attributes:
        ids: The names of the N images.
        classes: The names of the K classes.
        counts: `(N, K, K + 1)` of each condition, see `metrics.confusion_counts`.
        scenes: The scene of each image; none if only their names tell.
    """

    ids: tuple[str, ...]
    classes: tuple[str, ...]
    counts: dict[str, NDArray[np.int64]]
    scenes: tuple[str, ...] = ()

    @classmethod
    def of(cls, evaluation: Evaluation) -> ImageCounts:
        """Return what was counted in an evaluation."""
        counts = {name: np.stack(scores.counts) for name, scores in evaluation.scores.items()}
        return cls(
            tuple(evaluation.ids), evaluation.classes.names, counts, tuple(evaluation.scenes)
        )

    def expect_images(self, ids: Sequence[str], classes: Sequence[str], where: str) -> None:
        """Check that these are the counts of those images; `where` names ours in the error.

        Raises:
            DataError: If images or classes differ.
        """
        if (self.ids, self.classes) != (tuple(ids), tuple(classes)):
            raise DataError(
                f'{where}: expected counts of {len(ids)} images from {ids[0]} on in '
                f'{len(classes)} classes, got {len(self.ids)} from {self.ids[0]} on in '
                f'{len(self.classes)}. Compare models scored on the same images and classes.'
            )

    @property
    def labeled(self) -> NDArray[np.int64]:
        """How many pixels of each class the labels of each image hold, `(N, K)`."""
        of_any_condition = next(iter(self.counts.values()))
        return np.asarray(of_any_condition.sum(-1))

    def expect_labeled(self, pixels: NDArray[np.int64], where: str) -> None:
        """Check that they were counted on labels with so many `pixels` `(N, K)` of each class.

        Images of the same names may belong to another data set, and labels may be changed.

        Raises:
            DataError: If an image has others; `where` names ours.
        """
        others = np.flatnonzero((self.labeled != pixels).any(axis=1))
        if others.size:
            raise DataError(
                f'{where}: expected counts on the same labels, got others of {others.size} '
                f'images, such as {self.ids[others[0]]}. Compare models scored on the same data.'
            )

    def save(self, path: Path) -> None:
        """Write them into the npz file `path`, whole or not at all."""
        file = io.BytesIO()
        arrays: dict[str, Any] = {'ids': np.array(self.ids), 'classes': np.array(self.classes)}
        if self.scenes:
            arrays['scenes'] = np.array(self.scenes)
        for name, of_condition in self.counts.items():
            arrays[f'counts_{name}'] = of_condition.astype(np.uint32)
        np.savez_compressed(file, **arrays)
        write_atomically(path, file.getvalue())

    @classmethod
    def load(cls, path: Path) -> ImageCounts:
        """Return what `save` wrote.

        Raises:
            DataError: If the file is missing, damaged, or no such file.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                counts = {
                    name.removeprefix('counts_'): file[name].astype(np.int64)
                    for name in file.files
                    if name.startswith('counts_')
                }
                ids, classes = tuple(file['ids'].tolist()), tuple(file['classes'].tolist())
                # Files of before scenes were noted hold none.
                scenes = tuple(file['scenes'].tolist()) if 'scenes' in file.files else ()
        except _UNREADABLE as e:
            raise DataError(
                f'{path}: cannot be read as counts of images: {e}. Expected a file of '
                'm3l evaluate --counts.'
            ) from e
        shape = (len(ids), len(classes), len(classes) + 1)
        if not ids:
            raise DataError(f'{path}: expected counts of at least one image, got none.')
        if not counts or any(of_one.shape != shape for of_one in counts.values()):
            shapes = ', '.join(f'{name} {c.shape}' for name, c in counts.items()) or 'none'
            raise DataError(f'{path}: expected counts of shape {shape}, got {shapes}.')
        if len(scenes) not in {0, len(ids)}:
            raise DataError(f'{path}: expected {len(ids)} scenes, got {len(scenes)}.')
        return cls(ids, classes, counts, scenes)
