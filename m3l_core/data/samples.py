"""One labeled RGB-D image, and where such images come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TYPE_CHECKING

import cv2
import numpy as np

from m3l_core.data.indexed_png import as_gray
from m3l_core.errors import DataError
from m3l_core.frames import meters

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from m3l_core.classes import ClassSet

_PNG = b'\x89PNG\r\n\x1a\n'

_GRAY_OF_16_BITS = bytes([16, 0])
"""Bit depth and color type in the header of a PNG."""


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
    """A data set, or one split of it: samples by index, and what holds for all of them."""

    @property
    def root(self) -> Path:
        """Where it lies."""

    @property
    def name(self) -> str:
        """What a card or a report calls it."""

    @property
    def classes(self) -> ClassSet:
        """What its labels mean."""

    @property
    def frame(self) -> int:
        """Width in pixels of a border that no view may show."""

    @property
    def clean_depth(self) -> bool:
        """Whether its depth lacks a sensor's holes and noise; see `random_view`."""

    @property
    def terms(self) -> str:
        """What weights trained on it are subject to."""

    @property
    def ids(self) -> Sequence[str]:
        """The names of its samples, in the order of their index."""

    @property
    def scenes(self) -> Sequence[str]:
        """The scene of each sample, as far as is known; those of one look alike."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample:
        """Return a sample; those taken stay in memory while there is room."""

    def read(self, index: int) -> Sample:
        """Return a sample without keeping it."""

    def once(self) -> Iterator[Sample]:
        """Yield every sample without keeping it."""

    def labels_once(self) -> Iterator[NDArray[np.uint8]]:
        """Yield the labels `(H, W)` of every sample and read no more."""


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Return an 8-bit color image `(H, W, 3)`.

    Raises:
        DataError: If the file is missing or no image.
    """
    return decode_rgb(_bytes(path), str(path))


def looks_like_depth(path: Path) -> bool:
    """Return whether a file is a PNG of 16 bits in one channel, as no color image is.

    Raises:
        DataError: If the file is missing.
    """
    data = _bytes(path)
    return data.startswith(_PNG) and data[24:26] == _GRAY_OF_16_BITS


def read_depth_mm(path: Path) -> NDArray[np.uint16]:
    """Return a depth image `(H, W)` in millimeters.

    Raises:
        DataError: If the file is missing, no image, or not 16 bits in one channel.
    """
    return decode_depth(_bytes(path), str(path))


def decode_rgb(data: bytes, where: str) -> NDArray[np.uint8]:
    """Return the color image `(H, W, 3)` in the bytes of the file `where`.

    Raises:
        DataError: If it is no image.
    """
    image = _decode(data, where, cv2.IMREAD_COLOR)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def decode_depth(data: bytes, where: str) -> NDArray[np.uint16]:
    """Return the depth image `(H, W)`, in the unit of the file `where`.

    Raises:
        DataError: If it is no image, or not 16 bits in one channel.
    """
    depth: NDArray[np.uint16] = _decode_plane(data, where, np.uint16, '16-bit PNG of depth')
    return depth


def unrotated(depth: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Return depth whose bits were rotated up by three, as SUN RGB-D's files are, as it was."""
    return np.asarray((depth >> np.uint16(3)) | (depth << np.uint16(13)), np.uint16)


def decode_ids(data: bytes, where: str) -> NDArray[np.uint8]:
    """Return the image of class ids `(H, W)` in the bytes of the file `where`.

    In a PNG with a palette the ids are the indices, whatever their colors.

    Raises:
        DataError: If it is no image, or not 8 bits in one channel.
    """
    gray, step = as_gray(data)
    ids: NDArray[np.uint8] = _decode_plane(gray, where, np.uint8, '8-bit PNG of class ids')
    return ids if step == 1 else ids // np.uint8(step)


def _bytes(path: Path) -> bytes:
    if path.is_dir():
        raise DataError(f'{path}: expected an image, got a folder. Give a file in it.')
    if not path.is_file():
        raise DataError(f'{path}: there is no such file.')
    return path.read_bytes()


def _decode_plane(data: bytes, where: str, dtype: type[np.generic], what: str) -> NDArray[Any]:
    image = _decode(data, where, cv2.IMREAD_UNCHANGED)
    if image.ndim != 2 or image.dtype != dtype:
        raise DataError(
            f'{where}: expected a one-channel {what}, got {image.dtype} of shape {image.shape}.'
        )
    return image


def _decode(data: bytes, where: str, flags: int) -> NDArray[np.generic]:
    image: NDArray[np.generic] | None = None
    if data:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if image is None:
        raise DataError(f'{where}: is no image that can be read; expected JPEG or PNG.')
    return image
