"""SUN RGB-D re-packed into folders of color, depth and label images, as most papers use it.

    image/ (or images, rgb, RGB)   depth/ (or Depth)   label37/ (or label, labels)
    train.txt (or train37.txt)     test.txt (or test37.txt)

The images lie in these folders, or in `train` and `test` in each of them. Lists give names, or the
paths of color, depth and label file. Without such paths the files of an image have the same name,
or the same number at the end of it, as img-000001.jpg and 00000001.png.
"""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath
import re
from typing import TYPE_CHECKING

from m3l_core.data.layout import Files, Layout
from m3l_core.data.lists import files_of, IMAGE_SUFFIXES, named, read_list
from m3l_core.data.samples import decode_depth
from m3l_core.data.splits import read_splits, spread
from m3l_core.data.sun import sun_card, tell_depth, VALIDATION_ONE_IN
from m3l_core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from m3l_core.data.lists import Line
    from m3l_core.data.tree import Tree

_RGB = ('image', 'images', 'rgb', 'RGB')
_DEPTH = ('depth', 'Depth', 'depth_bfx')
_LABELS = ('label37', 'label', 'labels')
_PARTS = ('', '/train', '/test')
_LISTS = {'train': ('train.txt', 'train37.txt'), 'test': ('test.txt', 'test37.txt')}
_LOOKED_AT = 8


def is_sun_folders(tree: Tree) -> bool:
    """Tell whether these are such folders: by label37/, or by a name with sun in it."""
    if _folder(tree, _RGB) is None or _folder(tree, _DEPTH) is None:
        return False
    if _folder(tree, _LABELS[:1]) is not None:
        return True
    return _folder(tree, _LABELS) is not None and 'sun' in tree.root.resolve().name.lower()


def sun_folders_layout(tree: Tree) -> Layout:
    """Return where the files are; the encoding of depth is told by looking at some of it.

    Raises:
        DataError: If a list or a file is missing, a list is wrong, or depth cannot be told.
    """
    lists = {kind: _read(tree, kind) for kind in _LISTS}
    lines = [line for some in lists.values() for line in some]
    by_path = all(len(line.columns) > 1 for line in lines)
    files = files_of(tree, lines) if by_path else _files(tree)
    names = {kind: named(some, files) for kind, some in lists.items()}
    splits = read_splits(
        tree, files, learned=names['train'], scored=names['test'], one_in=VALIDATION_ONE_IN
    )
    shown = spread(sorted(file.depth for file in files.values()), _LOOKED_AT)
    depth = (decode_depth(tree.read(file), f'{tree.root}/{file}') for file in shown)
    rotated, unit_m = tell_depth(depth, f'{tree.root}/{shown[0].partition("/")[0]}')
    card = sun_card(rotated=rotated, depth_unit_m=unit_m)
    return Layout(card=card, files=files, splits=splits, every_file=not by_path)


def _folder(tree: Tree, names: Iterable[str]) -> str | None:
    """Return the first of some folders that holds images, itself or in its parts."""
    return next((name for name in names if _in_parts(tree, name)), None)


def _in_parts(tree: Tree, folder: str) -> list[str]:
    """Return the images in a folder and in its parts for training and test."""
    return [
        f'{folder}{part}/{file}'
        for part in _PARTS
        for file in tree.names(f'{folder}{part}')
        if file.lower().endswith(IMAGE_SUFFIXES)
    ]


def _read(tree: Tree, kind: str) -> list[Line]:
    file = next(filter(tree.has, _LISTS[kind]), None)
    if file is None:  # made-up splits would learn from what others test on
        raise DataError(
            f'{tree.root}/{_LISTS[kind][0]}: there is no such file. Expected a list of the '
            f'{"5,285 images to learn from" if kind == "train" else "5,050 images of the test"}.'
        )
    return read_list(tree.read(file), f'{tree.root}/{file}')


def _files(tree: Tree) -> dict[str, Files]:
    """Return the files of each image, matched by name or number."""
    rgb, *others = (
        _in_parts(tree, _folder(tree, names) or '') for names in (_RGB, _DEPTH, _LABELS)
    )
    depth, labels = ({**_by_number(files), **_by_name(files)} for files in others)
    found = {}
    for file in rgb:
        part, stem = key = _key(file)
        number = (part, _number(stem))
        partners = [some.get(key) or some.get(number) for some in (depth, labels)]
        if partners[0] is None or partners[1] is None:
            missing = 'label' if partners[0] else 'depth'
            raise DataError(
                f'{tree.root}/{file}: there is no {missing} image of its name or number. Give '
                'lists with the paths of color, depth and label files.'
            )
        found[f'{part}_{stem}' if part else stem] = Files(file, partners[0], partners[1])
    return found


def _key(file: str) -> tuple[str, str]:
    """Return the part that an image is in, train, test or none, and its name."""
    path = PurePosixPath(file)
    return '/'.join(path.parts[1:-1]), path.stem


def _number(stem: str) -> int | None:
    """Return the number at the end of a name."""
    match = re.search(r'(\d+)$', stem)
    return int(match[1]) if match else None


def _by_name(files: Iterable[str]) -> dict[tuple[str, str | int | None], str]:
    return {_key(file): file for file in files}


def _by_number(files: Sequence[str]) -> dict[tuple[str, str | int | None], str]:
    """Return files by part and number, those left out that share it."""
    keys = [(part, _number(stem)) for part, stem in map(_key, files)]
    often = Counter(keys)
    return {key: file for key, file in zip(keys, files, strict=True) if often[key] == 1}
