"""Images that a network could both learn from and be scored on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from m3l_core.data.inspection import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from m3l_core.data.inspection import Inspection
    from m3l_core.data.splits import Splits

_ALIKE_LEVELS = 2.0
"""Root mean square difference, in gray levels, of two thumbnails that show the same."""

_AT_ONCE = 256


def twins(splits: Splits, images: Sequence[Inspection]) -> list[str]:
    """Return a line on images of val and test whose color file is, byte for byte, one of train."""
    learned, scored = _sides(splits)
    first = {image.digest: image.name for image in images if image.name in learned}
    found = [
        f'{image.name} = {first[image.digest]}'
        for image in images
        if image.name in scored and image.digest and image.digest in first
    ]
    return [counted('same color file in train and in val or test', found)] if found else []


def lookalikes(splits: Splits, images: Sequence[Inspection]) -> list[str]:
    """Return a line on images of val and test that show what an image of train shows.

    Those that `twins` finds are left out.
    """
    learned, scored = _sides(splits)
    bytes_learned = {image.digest for image in images if image.name in learned}
    scored -= {image.name for image in images if image.digest in bytes_learned}
    ours, theirs = (
        {
            image.name: image.thumbnail.ravel()
            for image in images
            if image.name in names and image.thumbnail is not None
        }
        for names in (learned, scored)
    )
    if not ours or not theirs:
        return []
    names, thumbnails = list(ours), np.stack(list(ours.values()))
    found = []
    for start in range(0, len(theirs), _AT_ONCE):
        part = list(theirs.items())[start : start + _AT_ONCE]
        distances = _mean_squares(np.stack([thumbnail for _, thumbnail in part]), thumbnails)
        for (name, _), row in zip(part, distances, strict=True):
            if row.min() < _ALIKE_LEVELS**2:
                found.append(f'{name} ~ {names[int(row.argmin())]}')
    return [counted('image of val or test that looks like one of train', found)] if found else []


def _sides(splits: Splits) -> tuple[set[str], set[str]]:
    """Return the names that are learned from, and those that only score."""
    learned = set(splits.train)
    return learned, {*splits.val, *splits.test} - learned


def _mean_squares(
    some: np.ndarray[tuple[int, int], np.dtype[np.float32]],
    others: np.ndarray[tuple[int, int], np.dtype[np.float32]],
) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Return the mean squared difference of each row of `some` to each of `others`."""
    squares = (some**2).sum(axis=1)[:, None] - 2 * some @ others.T + (others**2).sum(axis=1)
    return np.asarray(np.maximum(squares, 0) / some.shape[1])
