"""Lists of images: a line each, with its name or with the paths of its files."""

from __future__ import annotations

import posixpath
from typing import NamedTuple, TYPE_CHECKING

from m3l_core.data.layout import Files
from m3l_core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from m3l_core.data.tree import Tree

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg')

_COLUMNS = (2, 3)


class Line(NamedTuple):
    """One line of a list.

    Attributes:
        where: The list and the number of the line, for errors.
        columns: A name, or the paths of the color, depth and label file.
    """

    where: str
    columns: tuple[str, ...]


def read_list(data: bytes, where: str) -> list[Line]:
    """Return the lines of a list that hold something.

    Columns are separated by tabs; by spaces as well if each of them is the path of an image, so
    that names may hold spaces.

    Raises:
        DataError: If it is no text.
    """
    try:
        text = data.decode('utf-8-sig')
    except UnicodeDecodeError:
        raise DataError(f'{where}: expected one image name in each line, as UTF-8.') from None
    return [
        Line(f'{where}:{number}', _columns(line))
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip()
    ]


def _columns(line: str) -> tuple[str, ...]:
    if '\t' in line.strip():
        return tuple(column.strip() for column in line.split('\t'))
    pieces = line.split()
    if len(pieces) in _COLUMNS and all(map(_is_image, pieces)):
        return tuple(pieces)
    return (line.strip(),)


def _is_image(path: str) -> bool:
    return path.lower().endswith(IMAGE_SUFFIXES)


def files_of(tree: Tree, lines: Sequence[Line]) -> dict[str, Files]:
    """Return the files that lists of paths name, by the name of the image.

    An image is called like its color file; with the folders of it where that is not unique. Named
    twice, it has labels if one of the lines says so.

    Raises:
        DataError: If a line has another number of columns, or names a file that is not there.
    """
    listed: dict[str, Files] = {}
    places = _Places(tree)
    for line in lines:
        files = _files(line)
        for file in filter(None, files):
            if not places.hold(file):
                raise DataError(
                    f'{line.where}: there is no file {file} in {tree.root}. Paths are relative '
                    'to the data set.'
                )
        if files.labels or files.rgb not in listed:
            listed[files.rgb] = files
    return dict(zip(_names(listed), listed.values(), strict=True))


def _files(line: Line) -> Files:
    columns = [column.replace('\\', '/') for column in line.columns]
    if len(columns) == 3 and not columns[2]:
        columns = columns[:2]
    if len(columns) not in _COLUMNS or not all(columns):
        raise DataError(
            f'{line.where}: expected the paths of color, depth and, if it is labeled, label file, '
            f'separated by tabs; got {len(line.columns)} columns.'
        )
    rgb, depth, *labels = map(posixpath.normpath, columns)
    return Files(rgb, depth, labels[0] if labels else None)


def _names(files: Iterable[str]) -> list[str]:
    paths = [posixpath.splitext(file)[0] for file in files]
    stems = [path.rpartition('/')[2] for path in paths]
    return stems if len(set(stems)) == len(stems) else [path.replace('/', '_') for path in paths]


class _Places:
    """Tells which files there are, looking into each folder once."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._names: dict[str, set[str]] = {}

    def hold(self, file: str) -> bool:
        folder, _, name = file.rpartition('/')
        if folder not in self._names:
            self._names[folder] = set(self._tree.names(folder))
        return name in self._names[folder]


def named(lines: Sequence[Line], files: Mapping[str, Files]) -> tuple[str, ...]:
    """Return the names of the images in a list, each once.

    A line may give the name, the name of the color file, or its path, as first of its columns.

    Raises:
        DataError: If a line names no image that is there.
    """
    by_path = {f.rgb: name for name, f in files.items()}
    by_file = {path.rpartition('/')[2]: name for path, name in by_path.items()}
    found: dict[str, None] = {}
    for line in lines:
        first = line.columns[0]
        path = first.replace('\\', '/').removeprefix('./')
        name = first if first in files else by_path.get(path) or by_file.get(path)
        if name is None:
            some = next(iter(files), '')
            raise DataError(
                f'{line.where}: {first!r} is no image of the data set. Its images have names '
                f'such as {some!r}.'
            )
        found[name] = None
    return tuple(found)
