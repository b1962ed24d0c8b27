"""SUN RGB-D as it is published: folders by sensor, and the toolbox with labels and splits.

    SUNRGBD/{kv1,kv2,realsense,xtion}/.../{image,depth,depth_bfx}/FILE
    SUNRGBDtoolbox/Metadata/SUNRGBDMeta.mat     which images there are, in the order of the labels
    SUNRGBDtoolbox/Metadata/SUNRGBD2Dseg.mat    the labels in 37 classes (HDF5, read one by one)
    SUNRGBDtoolbox/traintestSUNRGBD/allsplit.mat

The sensors may also lie in the folder itself, as in some copies. Depth is that of `depth_bfx`,
whose holes were filled, as published results have it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath
import posixpath
import re
from typing import Any, NamedTuple, TYPE_CHECKING
import zlib

import numpy as np

from m3l_core.classes import SUN37
from m3l_core.data.layout import Files, Layout
from m3l_core.data.scenes import scenes_by_name
from m3l_core.data.splits import read_splits
from m3l_core.data.sun import sun_card, VALIDATION_ONE_IN
from m3l_core.errors import DataError, missing_module

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from m3l_core.data.card import DataCard
    from m3l_core.data.tree import Tree

_SENSORS = ('kv1', 'kv2', 'realsense', 'xtion')
_TOOLBOX = 'SUNRGBDtoolbox'
_META = f'{_TOOLBOX}/Metadata/SUNRGBDMeta.mat'
_LABELS = f'{_TOOLBOX}/Metadata/SUNRGBD2Dseg.mat'
_SPLITS = f'{_TOOLBOX}/traintestSUNRGBD/allsplit.mat'
_SEQUENCES = 'sun3ddata'
"""Below it, frames lie in a folder for each sequence."""

_ABOUT = 'SUN RGB-D as published'


class _Place(NamedTuple):
    """One image: its folder below the sensors, and its color and depth file there."""

    folder: str
    rgb: str
    depth: str


def is_sun_toolbox(tree: Tree) -> bool:
    """Tell whether these are the folders of the sensors."""
    return _start(tree) is not None


def sun_toolbox_layout(tree: Tree) -> Layout:
    """Return where the files are; without the toolbox there are no labels and no splits.

    Raises:
        DataError: If files of the toolbox are missing or not as published.
        M3lError: If a package that reads them is missing.
    """
    start = _start(tree) or ''
    if not tree.names(_TOOLBOX):
        return _without_labels(tree, start)
    for needed in (_META, _LABELS, _SPLITS):
        if not tree.has(needed):
            raise DataError(
                f'{tree.root}/{needed}: there is no such file. Unpack SUNRGBDtoolbox.zip there.'
            )
    places = _places(tree.root / _META)
    files = {
        _name(place.folder): Files(
            f'{start}{place.folder}/image/{place.rgb}',
            f'{start}{place.folder}/depth_bfx/{place.depth}',
            f'{_LABELS}#{index}',
        )
        for index, place in enumerate(places)
    }
    learned, scored = _splits(tree.root / _SPLITS, files)
    splits = read_splits(tree, files, learned=learned, scored=scored, one_in=VALIDATION_ONE_IN)
    return Layout(
        card=_card(labeled=True),
        files=files,
        splits=splits,
        scenes=_scenes(place.folder for place in places),
        read_ids=_Labels(tree.root / _LABELS).read,
    )


def _start(tree: Tree) -> str | None:
    """Return what the folders of the sensors begin with, None if there are none."""
    starts = (start for start in ('SUNRGBD/', '') for s in _SENSORS if tree.names(f'{start}{s}'))
    return next(starts, None)


def _card(*, labeled: bool) -> DataCard:
    return replace(sun_card(labeled=labeled, rotated=True), clean_depth=True)


def _name(folder: str) -> str:
    return folder.replace('/', '_')


def _without_labels(tree: Tree, start: str) -> Layout:
    """Return the images that lie there, in folders of their own."""
    files, folders = {}, []
    for place in sorted(p for s in _SENSORS for p in (tree.root / start / s).glob('**/image')):
        folder = place.parent.relative_to(tree.root).as_posix()
        rgb, depth = tree.names(f'{folder}/image'), tree.names(f'{folder}/depth_bfx')
        if rgb and depth:
            inner = folder.removeprefix(start)
            folders.append(inner)
            files[_name(inner)] = Files(
                f'{folder}/image/{rgb[0]}', f'{folder}/depth_bfx/{depth[0]}', None
            )
    if not files:
        raise DataError(f'{tree.root}: expected folders image/ and depth_bfx/, found none.')
    splits = read_splits(tree, files, one_in=0)
    return Layout(card=_card(labeled=False), files=files, splits=splits, scenes=_scenes(folders))


def _scenes(folders: Iterable[str]) -> dict[str, str]:
    """Return the scene of each image: its sequence where there are any, else told by its name."""
    named = {_name(folder): PurePosixPath(folder) for folder in folders}
    runs = dict(zip(named, scenes_by_name(list(named)), strict=True))
    return {
        name: str(path.parent) if _SEQUENCES in path.parts else runs[name]
        for name, path in named.items()
    }


def _places(meta: Path) -> list[_Place]:
    """Return where each image is, in the order of the labels."""
    table = _load(meta, 'SUNRGBDMeta')
    try:
        rows = list(zip(table['rgbpath'], table['depthname'], strict=True))
    except (IndexError, ValueError, TypeError):
        raise _not_as_published(meta, 'rgbpath and depthname of each image') from None
    places = []
    for path, depth in rows:
        match = re.search(r'SUNRGBD/(.+)/image/([^/]+)$', str(path))
        if match is None:
            raise _not_as_published(meta, f'paths such as SUNRGBD/kv1/.../image/1.jpg, not {path}')
        places.append(_Place(posixpath.normpath(match[1]), match[2], str(depth)))
    return places


def _splits(path: Path, known: Mapping[str, Files]) -> tuple[list[str], list[str]]:
    """Return the images to learn from and those of the test."""
    learned, scored = (
        [_name(_below_sensors(str(folder))) for folder in _load(path, variable)]
        for variable in ('alltrain', 'alltest')
    )
    if not {*learned, *scored} <= known.keys():
        strange = min({*learned, *scored} - known.keys())
        raise _not_as_published(path, f'images that are in {_META}, not {strange}')
    return learned, scored


def _below_sensors(folder: str) -> str:
    return posixpath.normpath(folder.rpartition('SUNRGBD/')[2])


def _load(path: Path, variable: str) -> NDArray[Any]:
    """Return a variable of a MATLAB file before version 7.3, as an array."""
    try:
        from scipy.io import loadmat
    except ModuleNotFoundError as error:
        raise missing_module(error, _ABOUT) from error
    try:
        values = loadmat(path, variable_names=[variable], squeeze_me=True)
        return np.atleast_1d(values[variable])
    except (OSError, ValueError, TypeError, KeyError, NotImplementedError, zlib.error) as error:
        raise _not_as_published(path, f'the variable {variable}') from error


def _not_as_published(path: Path, what: str) -> DataError:
    return DataError(f'{path}: expected {what}. Unpack SUNRGBDtoolbox.zip again.')


class _Labels:
    """Label images in the HDF5 file, each read when it is asked for; threads may ask at once."""

    def __init__(self, path: Path) -> None:
        try:
            import h5py
        except ModuleNotFoundError as error:
            raise missing_module(error, _ABOUT) from error
        try:
            self._file = h5py.File(path, 'r')
            self._references = self._file['SUNRGBD2Dseg']['seglabel']
        except (OSError, KeyError) as error:
            raise _not_as_published(path, 'SUNRGBD2Dseg with seglabel in it') from error

    def read(self, tree: Tree, file: str) -> NDArray[np.uint8]:
        """Return the ids `(H, W)` of `FILE#INDEX`; MATLAB keeps columns together."""
        index = int(file.rpartition('#')[2])
        try:
            image = np.asarray(self._file[self._references[index][0]])
        except (OSError, KeyError, ValueError, IndexError, TypeError) as error:
            raise _not_as_published(tree.root / _LABELS, f'labels number {index + 1}') from error
        if image.ndim != 2 or not ((image >= 0) & (image <= len(SUN37))).all():
            what = f'ids of 0 to {len(SUN37)} in labels number {index + 1}'
            raise _not_as_published(tree.root / _LABELS, what)
        return np.ascontiguousarray(image.T, np.uint8)
