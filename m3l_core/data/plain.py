"""A plain folder of RGB-D images: `rgb/`, `depth/`, a card, and `labels/` if it says so."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from m3l_core.data.card import read_card
from m3l_core.data.layout import Files, Layout
from m3l_core.data.lists import files_of, IMAGE_SUFFIXES, read_list
from m3l_core.data.splits import read_splits
from m3l_core.errors import DataError

if TYPE_CHECKING:
    from m3l_core.data.card import DataCard
    from m3l_core.data.lists import Line
    from m3l_core.data.tree import Tree

_LISTS = ('train.txt', 'val.txt', 'test.txt')


def plain_layout(tree: Tree) -> Layout:
    """Return where the files of a folder with a card are.

    It holds `rgb/NAME.jpg` or `.png`, `depth/NAME.png` (16 bits, in the card's unit),
    `labels/NAME.png` (8 bits), `card.yaml` (see `DataCard`) and perhaps lists (see
    `read_splits`). Or its lists name the files, wherever they are: see `listed_layout`.

    Raises:
        DataError: If files are missing or lists are wrong.
        ConfigError: Naming every problem of the card.
    """
    card = read_card(tree)
    return listed_layout(tree, card) or folder_layout(tree, card, 'labels')


def folder_layout(tree: Tree, card: DataCard, labels: str) -> Layout:
    """Return the images whose color, depth and label files have one name in three folders.

    Raises:
        DataError: If there are none, or lists are wrong.
    """
    files = {
        PurePath(file).stem: Files(
            f'rgb/{file}',
            f'depth/{PurePath(file).stem}.png',
            f'{labels}/{PurePath(file).stem}.png' if card.labeled else None,
        )
        for file in tree.names('rgb')
        if PurePath(file).suffix.lower() in IMAGE_SUFFIXES
    }
    if not files:
        raise DataError(f'{tree.root}/rgb: expected JPEG or PNG images, found none.')
    splits = read_splits(tree, files) if card.labeled else read_splits(tree, files, one_in=0)
    return Layout(card=card, files=files, splits=splits)


def listed_layout(tree: Tree, card: DataCard) -> Layout | None:
    """Return the images of lists that give the paths of color, depth and label files.

    Lists as of M3L, `train.txt`, `val.txt` and `test.txt`, with two columns (no labels) or three.

    Returns:
        None if there are no lists, or they hold names only.

    Raises:
        DataError: If a list is wrong, with the number of the line.
    """
    lines: list[Line] = []
    for file in filter(tree.has, _LISTS):
        lines += read_list(tree.read(file), f'{tree.root}/{file}')
    if all(len(line.columns) == 1 for line in lines):
        return None
    files = files_of(tree, lines)
    return Layout(card=card, files=files, splits=read_splits(tree, files), every_file=False)
