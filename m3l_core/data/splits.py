"""Which images of a data set are for learning, for choosing and for the final score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from m3l_core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from m3l_core.data.tree import Tree

Item = TypeVar('Item')

SPLITS = ('train', 'val', 'trainval', 'test', 'all')

_STRETCHES = 6
"""A data set without a list for validation gives the last sixth of each sixth to it."""


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


def read_splits(tree: Tree, names: Sequence[str]) -> Splits:
    """Return the splits of the images `names` (sorted), from `train.txt`, `val.txt`, `test.txt`.

    Each list holds names without suffix, one to a line, perhaps none; `train.txt` may or may not
    repeat those of `val.txt`.
    What is missing is made up: without `train.txt`, every image that is not in `test.txt`;
    without `val.txt`, the last sixth of each sixth of the training images in the order of their
    names. Such stretches keep the frames of one recording together, which look alike.

    Raises:
        DataError: If a list names an image that is not there, or one that scores is learned from.
    """
    lists = {kind: _read_list(tree, kind, set(names)) for kind in ('train', 'val', 'test')}
    test = lists['test'] or ()
    for kind in ('train', 'val'):
        _refuse_overlap(tree, kind, set(lists[kind] or ()) & set(test))
    learning = lists['train']
    if learning is None:
        learning = tuple(name for name in names if name not in set(test))
    val = lists['val']
    if val is None:
        val = _made_up_validation(learning)
    kept = set(val)
    train = tuple(name for name in learning if name not in kept)
    both = tuple(dict.fromkeys([*learning, *val]))
    return Splits(train=train, val=val, trainval=both, test=test, every=tuple(names))


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """Return up to `count` of the items, evenly spread; more than one take in both ends."""
    if len(items) <= count:
        return list(items)
    return [items[round(i * (len(items) - 1) / max(1, count - 1))] for i in range(count)]


def _made_up_validation(names: Sequence[str]) -> tuple[str, ...]:
    names = sorted(names)
    parts = _STRETCHES**2
    if len(names) < parts:
        return tuple(names[len(names) - len(names) // _STRETCHES :])
    return tuple(
        name
        for index, name in enumerate(names)
        if index * parts // len(names) % _STRETCHES == _STRETCHES - 1
    )


def _refuse_overlap(tree: Tree, kind: str, both: set[str]) -> None:
    if both:
        raise DataError(
            f'{tree.root}/{kind}.txt: expected no image of test.txt, got {len(both)} of them, '
            f'such as {min(both)!r}. Take them out of one of the two lists.'
        )


def _read_list(tree: Tree, kind: str, known: set[str]) -> tuple[str, ...] | None:
    """Return the names in a list, or None if there is no such list."""
    file = f'{kind}.txt'
    if not tree.has(file):
        return None
    where = f'{tree.root}/{file}'
    try:
        lines = (line.strip() for line in tree.read(file).decode('utf-8').splitlines())
        listed = tuple(dict.fromkeys(filter(None, lines)))
    except UnicodeDecodeError:
        raise DataError(f'{where}: expected one image name in each line, as UTF-8.') from None
    missing = [name for name in listed if name not in known]
    if missing:
        raise DataError(
            f'{where}: {len(missing)} of its {len(listed)} images are not in rgb/, such as '
            f'{missing[0]!r}. Give file names without suffix.'
        )
    return listed
