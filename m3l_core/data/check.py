"""What a data set holds, and what is wrong with it."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from m3l_core.data.inspection import counted, inspect, Inspection
from m3l_core.data.leaks import lookalikes, twins

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from m3l_core.data.folder import Folder

_RANGE_M = (0.1, 20.0)
"""Where the median of an indoor data set's depth can lie."""

_UNITS_M = (0.001, 0.0001, 0.0002, 0.00025, 0.0005, 0.01)
"""Units of 16-bit depth that are in use, the usual one first."""


@dataclass(frozen=True)
class Check:
    """The images of a data set, one by one, and what follows from all of them.

    Attributes:
        images: Every image, in the order of the names.
        problems: What is wrong, a line each.
        remarks: What may be meant so, a line each.
    """

    folder: Folder
    images: list[Inspection]
    problems: list[str]
    remarks: list[str]

    @property
    def pixels(self) -> NDArray[np.int64]:
        """Pixels of each class `(K,)`."""
        return np.asarray(self._stacked().sum(axis=0))

    @property
    def images_with(self) -> NDArray[np.int64]:
        """Images in which each class occurs `(K,)`."""
        return np.asarray(np.count_nonzero(self._stacked(), axis=0))

    @property
    def sizes(self) -> Counter[tuple[int, int]]:
        """Images of each height and width."""
        return Counter(image.size for image in self.images if image.size is not None)

    @property
    def unlabeled(self) -> float:
        """Share of the pixels that have no class."""
        total = sum(int(image.pixels.sum()) for image in self.images)
        return 1 - int(self.pixels.sum()) / total if total else 1.0

    @property
    def median_m(self) -> float | None:
        """Median over the images of their median depth, None without any reading."""
        return _median(self.images)

    @property
    def seen(self) -> float:
        """Share of the pixels with a depth reading."""
        return float(np.mean([image.seen for image in self.images]))

    def _stacked(self) -> NDArray[np.int64]:
        count = len(self.folder.classes)
        return np.stack([image.pixels[:count] for image in self.images])


def check(
    folder: Folder, *, threads: int = 2, on_image: Callable[[], None] | None = None
) -> Check:
    """Read every image of a data set and return what was found.

    Args:
        folder: The data set; whatever its split, all images are read.
        threads: How many images to read at once.
        on_image: Called after each image.
    """
    report = on_image or (lambda: None)
    images = []
    with ThreadPoolExecutor(threads, thread_name_prefix='m3l-check') as pool:
        try:
            for image in pool.map(lambda name: inspect(folder, name), folder.splits.every):
                images.append(image)
                report()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    problems = [
        *_faults(images),
        *_lonely(folder),
        *_unit_problems(_median(images), folder.card.depth_unit_m),
        *twins(folder.splits, images),
    ]
    found = Check(folder, images, problems, [])
    found.remarks.extend([*lookalikes(folder.splits, images), *_rare(found)])
    return found


def _median(images: Iterable[Inspection]) -> float | None:
    medians = [image.median_m for image in images if image.median_m is not None]
    return float(np.median(medians)) if medians else None


def _faults(images: Iterable[Inspection]) -> list[str]:
    """Return a line for each kind of fault, with some of the images that have it."""
    kinds: dict[str, list[str]] = {}
    for image in images:
        for kind, detail in image.faults.items():
            kinds.setdefault(kind, []).append(f'{image.name} ({detail})')
    return [counted(kind, found) for kind, found in kinds.items()]


def _lonely(folder: Folder) -> list[str]:
    """Return the files that no image uses."""
    if not folder.every_file:
        return []
    colors, *others = zip(*map(folder.files, folder.splits.every), strict=True)
    problems = []
    for place, unused in _unused(folder, colors):
        problems.append(counted(f'file in {place}/ that is not used', unused))
    for files in others:
        for place, unused in _unused(folder, files):
            problems.append(counted(f'no color file for a file in {place}/', unused))
    return problems


def _unused(folder: Folder, files: Iterable[str | None]) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder of some files with those in it that are not among them."""
    used: dict[str, set[str]] = {}
    for file in files:
        if file is not None and '#' not in file:
            place, _, name = file.rpartition('/')
            used.setdefault(place, set()).add(name)
    for place, names in used.items():
        unused = [name for name in folder.tree.names(place) if name not in names]
        if unused:
            yield place, unused


def _unit_problems(median_m: float | None, unit_m: float) -> list[str]:
    """Tell that a unit puts the whole data set too near or too far, and which would fit."""
    if median_m is None or _RANGE_M[0] <= median_m <= _RANGE_M[1]:
        return []
    steps = median_m / unit_m
    fitting = [unit for unit in _UNITS_M if 0.5 <= steps * unit <= 6]
    remedy = '; '.join(
        f'depth_unit_m: {unit:g} would give {steps * unit:.2f} m' for unit in fitting
    )
    return [
        f'depth has a median of {median_m:.3g} m, expected {_RANGE_M[0]:g} to {_RANGE_M[1]:g} m: '
        f'the unit {unit_m:g} m is probably wrong. {remedy or "No usual unit fits."}'
    ]


def _rare(found: Check) -> list[str]:
    """Return which classes can hardly be learned."""
    names = found.folder.classes.names
    counts = found.images_with
    never = [name for name, count in zip(names, counts, strict=True) if count == 0]
    rare = [
        f'{name} ({count})' for name, count in zip(names, counts, strict=True) if 0 < count < 3
    ]
    return [
        f'{text}: {", ".join(which)}'
        for text, which in (('no image shows', never), ('fewer than 3 images show', rare))
        if which
    ]
