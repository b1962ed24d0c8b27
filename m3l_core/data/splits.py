"""Which images of a data set are for learning, for choosing and for the final score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from m3l_core.data.lists import named, read_list
from m3l_core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from m3l_core.data.layout import Files
    from m3l_core.data.tree import Tree

Item = TypeVar('Item')

SPLITS = ('train', 'val', 'trainval', 'test', 'all')

_STRETCHES = 6
"""A data set without a list for validation gives part of each sixth to it."""


@dataclass(frozen=True)
class Splits:
    """The names of the images in each split.

    `train` is without `val`, `trainval` holds both, `every` all images that are there.
    """

    train: tuple[str, ...]
    val: tuple[str, ...]
    trainval: tuple[str, ...]
    test: tuple[str, ...]
    every: tuple[str, ...]

    def of(self, split: str, where: str) -> tuple[str, ...]:
        """Return the names in a split; `all` is every image.

        Raises:
            DataError: If there is no such split, or nothing in it.
        """
        if split not in SPLITS:
            raise DataError(f'split: expected one of {", ".join(SPLITS)}, got {split!r}.')
        names: tuple[str, ...] = self.every if split == 'all' else getattr(self, split)
        if not names:
            remedy = (
                f'Name its images in {where}/{split}.txt.'
                if split in ('val', 'test')
                else 'Add images.'
            )
            raise DataError(f'{where}: expected images in the split {split}, got none. {remedy}')
        return names


def read_splits(
    tree: Tree,
    files: Mapping[str, Files],
    *,
    learned: Sequence[str] | None = None,
    scored: Sequence[str] = (),
    validating: Sequence[str] | None = None,
    one_in: int = _STRETCHES,
) -> Splits:
    """Return the splits of images, from `train.txt`, `val.txt` and `test.txt`.

    Each list holds names, or paths of color files, one to a line, perhaps none (see `read_list`);
    `train.txt` may or may not repeat those of `val.txt`. What is missing is made up: without
    `train.txt`, every image that is not in `test.txt`; without `val.txt`, the last of `one_in`
    parts of each sixth of the training images in the order of their names, none if `one_in` is 0.
    Such stretches keep the frames of one recording together, which look alike.

    Args:
        tree: Where the lists are.
        files: Of each image, by its name.
        learned: What `train.txt` would hold, where something else tells.
        scored: What `test.txt` would hold, where something else tells.
        validating: What `val.txt` would hold, where something else tells.
        one_in: See above.

    Raises:
        DataError: If a list names an image that is not there, or one that scores is learned from.
    """
    everything = tuple(sorted(files))
    lists = {kind: _read(tree, f'{kind}.txt', files) for kind in ('train', 'val', 'test')}
    test = tuple(scored) if lists['test'] is None else lists['test']
    learning = learned if lists['train'] is None else lists['train']
    val = validating if lists['val'] is None else lists['val']
    for kind, names in (('train', learning), ('val', val)):
        _refuse_overlap(tree, kind, set(names or ()) & set(test))
    if learning is None:
        scoring = set(test)
        learning = tuple(name for name in everything if name not in scoring)
    if val is None:
        val = made_up_validation(learning, one_in)
    kept = set(val)
    train = tuple(name for name in learning if name not in kept)
    both = tuple(dict.fromkeys([*learning, *val]))
    return Splits(train=train, val=tuple(val), trainval=both, test=test, every=everything)


def read_names(tree: Tree, file: Path, files: Mapping[str, Files]) -> tuple[str, ...]:
    """Return the images in a list that lies in the data set or elsewhere.

    Raises:
        DataError: If there is no such list, it names an image that is not there, or none at all.
    """
    if file.is_file():
        names = named(read_list(file.read_bytes(), str(file)), files)
    else:
        in_the_set = _read(tree, str(file), files)
        if in_the_set is None:
            raise DataError(f'{file}: there is no such list, here or in {tree.root}.')
        names = in_the_set
    if not names:
        raise DataError(f'{file}: expected the name of an image in each line, got an empty list.')
    return names


def made_up_validation(names: Sequence[str], one_in: int) -> tuple[str, ...]:
    """Return the last of `one_in` parts of each sixth of the names in their order."""
    if not one_in:
        return ()
    names = sorted(names)
    parts = _STRETCHES * one_in
    if len(names) < parts:
        return tuple(names[len(names) - len(names) // one_in :])
    return tuple(
        name
        for index, name in enumerate(names)
        if index * parts // len(names) % one_in == one_in - 1
    )


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """Return up to `count` of the items, evenly spread; more than one take in both ends."""
    if len(items) <= count:
        return list(items)
    return [items[round(i * (len(items) - 1) / max(1, count - 1))] for i in range(count)]


def _refuse_overlap(tree: Tree, kind: str, both: set[str]) -> None:
    if both:
        raise DataError(
            f'{tree.root}/{kind}.txt: expected no image of test.txt, got {len(both)} of them, '
            f'such as {min(both)!r}. Take them out of one of the two lists.'
        )


def _read(tree: Tree, file: str, files: Mapping[str, Files]) -> tuple[str, ...] | None:
    """Return the names in a list, or None if there is no such list."""
    if not tree.has(file):
        return None
    return named(read_list(tree.read(file), f'{tree.root}/{file}'), files)
