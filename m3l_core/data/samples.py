"""One labelled RGB-D image, and where such images come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TYPE_CHECKING

import cv2
import numpy as np

from m3l_core.errors import DataError
from m3l_core.frames import meters

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One RGB-D image with its labels.

    Attributes:
        name: Unique in its data set.
        rgb: `(H, W, 3)` uint8.
        depth_mm: `(H, W)` uint16 millimeters, 0 where the sensor saw nothing.
        labels: `(H, W)` uint8 class indices, 255 where there is no class.
    """

    name: str
    rgb: NDArray[np.uint8]
    depth_mm: NDArray[np.uint16]
    labels: NDArray[np.uint8]

    @property
    def depth_m(self) -> NDArray[np.float32]:
        """Depth `(H, W)` in meters, 0 where the sensor saw nothing."""
        return meters(self.depth_mm)


class Samples(Protocol):
    """A data set: samples by index."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Return an 8-bit color image `(H, W, 3)`.

    Raises:
        DataError: If the file is missing or no image.
    """
    image = _read(path, cv2.IMREAD_COLOR)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def read_depth_mm(path: Path) -> NDArray[np.uint16]:
    """Return a depth image `(H, W)` in millimeters.

    Raises:
        DataError: If the file is missing, no image, or not 16 bits in one channel.
    """
    depth: NDArray[np.uint16] = _read_plane(path, np.uint16, '16-bit PNG in millimeters')
    return depth


def read_ids(path: Path) -> NDArray[np.uint8]:
    """Return an image of ids `(H, W)`.

    Raises:
        DataError: If the file is missing, no image, or not 8 bits in one channel.
    """
    ids: NDArray[np.uint8] = _read_plane(path, np.uint8, '8-bit PNG of class ids')
    return ids


def _read_plane(path: Path, dtype: type[np.generic], what: str) -> NDArray[Any]:
    image = _read(path, cv2.IMREAD_UNCHANGED)
    if image.ndim != 2 or image.dtype != dtype:
        raise DataError(
            f'{path}: expected a one-channel {what}, got {image.dtype} of shape {image.shape}.'
        )
    return image


def _read(path: Path, flags: int) -> NDArray[np.generic]:
    if not path.is_file():
        raise DataError(f'{path}: there is no such file.')
    image: NDArray[np.generic] | None = cv2.imread(str(path), flags)
    if image is None:
        raise DataError(f'{path}: is no image that can be read; expected JPEG or PNG.')
    return image
