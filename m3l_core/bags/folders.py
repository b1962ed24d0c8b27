"""Folders of RGB-D images: which file belongs to which frame, and what is in it.

Two layouts are known:

    NAME.color.jpg  NAME.depth.png  camera-intrinsics.txt            (7-Scenes)
    rgb/NAME.jpg  depth/NAME.png  label40/NAME.png or labels/NAME.png  (NYUv2)

Color is JPEG or PNG, depth is a 16-bit PNG in millimeters. `label40` holds NYU40 ids, `labels`
(or `label`) the ids of our classes. `camera-intrinsics.txt`, a 3x3 matrix, may be in either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from m3l_core.classes import IGNORE, labels_from_nyu40, NYU13
from m3l_core.errors import DataError, FrameError
from m3l_core.stream.compressed_image import decode_color, decode_gray_png

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import TypeVar

    from numpy.typing import NDArray

    T = TypeVar('T')

_COLOR_SUFFIXES = ('.jpg', '.jpeg', '.png')
_LABEL_FOLDERS = ('label40', 'labels', 'label')
_UNKNOWN_DEPTH = 65535
"""The value of a pixel without reading in the original 7-Scenes."""


@dataclass(frozen=True)
class FrameFiles:
    """The files of one frame; `labels` is None where there are none."""

    rgb: Path
    depth: Path
    labels: Path | None

    def read_rgb(self) -> NDArray[np.uint8]:
        """Return `(H, W, 3)` RGB pixels."""
        return _decoded(self.rgb, lambda data: decode_color(self.rgb.suffix, data))

    def read_depth_mm(self) -> NDArray[np.uint16]:
        """Return `(H, W)` millimeters, 0 where there is no reading."""
        depth_mm = _decoded(self.depth, lambda data: decode_gray_png('depth', data, np.uint16))
        depth_mm[depth_mm == _UNKNOWN_DEPTH] = 0
        return depth_mm

    def read_labels(self) -> NDArray[np.uint8] | None:
        """Return `(H, W)` class ids, 255 = void, or None."""
        if self.labels is None:
            return None
        ids = _decoded(self.labels, lambda data: decode_gray_png('labels', data, np.uint8))
        if self.labels.parent.name == 'label40':
            return labels_from_nyu40(ids)
        largest = int(ids[ids != IGNORE].max(initial=0))
        if largest >= len(NYU13):
            raise DataError(
                f'{self.labels}: expected class ids 0 to {len(NYU13) - 1} and {IGNORE} for void, '
                f'got {largest}. Name the folder label40 if these are NYU40 ids.'
            )
        return ids


@dataclass(frozen=True, eq=False)
class ImageFolder:
    """The frames of a folder in the order of their names, and the camera if it is known."""

    frames: tuple[FrameFiles, ...]
    camera_matrix: NDArray[np.float64] | None


def open_folder(folder: Path) -> ImageFolder:
    """Return what a folder of RGB-D images holds.

    Raises:
        DataError: If it has neither layout, or a color image has no depth image.
    """
    if not folder.is_dir():
        raise DataError(f'{folder}: expected a folder of images, got none. Check the path.')
    frames = _side_by_side(folder) or _by_kind(folder)
    if not frames:
        raise DataError(
            f'{folder}: expected NAME.color.jpg and NAME.depth.png, or rgb/NAME.jpg and '
            'depth/NAME.png, got no such files. Rename or link your images like that.'
        )
    for frame in frames:
        if not frame.depth.is_file():
            raise DataError(
                f'{folder}: expected a depth image for every color image, got none for '
                f'{frame.rgb.name}. Add {frame.depth.relative_to(folder)}.'
            )
    return ImageFolder(tuple(frames), _camera_matrix(folder / 'camera-intrinsics.txt'))


def _side_by_side(folder: Path) -> list[FrameFiles]:
    """Return the frames of the layout NAME.color.jpg, NAME.depth.png."""
    frames = []
    for rgb in sorted(folder.glob('*.color.*')):
        if rgb.suffix.lower() in _COLOR_SUFFIXES:
            name = rgb.name[: -len(f'.color{rgb.suffix}')]
            frames.append(FrameFiles(rgb, folder / f'{name}.depth.png', None))
    return frames


def _by_kind(folder: Path) -> list[FrameFiles]:
    """Return the frames of the layout rgb/NAME.jpg, depth/NAME.png, label40/NAME.png."""
    label_folder = next((x for x in _LABEL_FOLDERS if (folder / x).is_dir()), None)
    frames = []
    for rgb in sorted((folder / 'rgb').glob('*')):
        if rgb.suffix.lower() in _COLOR_SUFFIXES:
            labels = folder / label_folder / f'{rgb.stem}.png' if label_folder else None
            if labels is not None and not labels.is_file():
                labels = None  # A few labeled frames among many unlabeled are common.
            frames.append(FrameFiles(rgb, folder / 'depth' / f'{rgb.stem}.png', labels))
    return frames


def _camera_matrix(path: Path) -> NDArray[np.float64] | None:
    if not path.is_file():
        return None
    try:
        matrix = np.loadtxt(path, dtype=np.float64, ndmin=2)
    except ValueError as error:
        raise DataError(f'{path}: expected 3 rows of 3 numbers, got text: {error}.') from error
    if matrix.shape != (3, 3):
        rows, columns = matrix.shape
        raise DataError(f'{path}: expected 3 rows of 3 numbers, got {rows} rows of {columns}.')
    return matrix


def _decoded(path: Path, decode: Callable[[memoryview], T]) -> T:
    """Return the decoded file; an error names it."""
    try:
        return decode(memoryview(path.read_bytes()))
    except OSError as error:
        raise DataError(f'{path}: cannot be read: {error.strerror}.') from error
    except FrameError as error:
        raise DataError(f'{path}: {error}') from error
