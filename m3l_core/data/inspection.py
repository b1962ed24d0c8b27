"""One labeled image as it lies in its files, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, TypeVar

import cv2
import numpy as np

from m3l_core.classes import IGNORE
from m3l_core.data.card import UNKNOWN
from m3l_core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from m3l_core.data.folder import Folder

    Decoded = TypeVar('Decoded', NDArray[np.uint8], NDArray[np.uint16])

THUMBNAIL = (24, 32)

_EXAMPLES = 3


@dataclass
class Inspection:
    """What the files of one image hold."""

    name: str
    faults: dict[str, str] = field(default_factory=dict)
    """What is wrong, by kind, each with what was found here."""

    size: tuple[int, int] | None = None
    """Height and width of the color image, None if it cannot be read."""

    median_m: float | None = None
    """Median of the readings in meters, in the card's unit; None without a reading."""

    seen: float = 0.0
    """Share of the pixels with a reading."""

    pixels: NDArray[np.int64] = field(default_factory=lambda: np.zeros(256, np.int64))
    """Pixels of each label, 255 = no class."""

    unknown: set[int] = field(default_factory=set)
    """Ids that the card does not explain."""

    digest: bytes = b''
    """Tells whether another color file holds the same bytes."""

    thumbnail: NDArray[np.float32] | None = None
    """Gray levels `THUMBNAIL`, to find color images that look the same."""


def inspect(folder: Folder, name: str) -> Inspection:
    """Read the files of one image and return what they hold; wrong files are noted, not raised."""
    found = Inspection(name)
    files = folder.files(name)
    rgb = _read(folder, files.rgb, folder.read_rgb, 'color', found)
    depth = _read(folder, files.depth, folder.read_depth, 'depth', found)
    ids = None
    if files.labels is not None:
        ids = _read(folder, files.labels, folder.read_ids, 'label', found)
    sizes = {image.shape[:2] for image in (rgb, depth, ids) if image is not None}
    if len(sizes) > 1:
        found.faults['color, depth and labels differ in size'] = ', '.join(
            f'{height}x{width}' for height, width in sorted(sizes)
        )
    if rgb is not None:
        _inspect_rgb(rgb, found)
        if min(rgb.shape[:2]) <= 2 * folder.frame:
            found.faults['image that is all frame'] = f'a frame of {folder.frame} pixels'
        found.digest = blake2b(folder.tree.read(files.rgb), digest_size=16).digest()
    if depth is not None:
        _inspect_depth(depth, folder.card.depth_unit_m, found)
    if ids is not None:
        _inspect_labels(ids, folder.label_table, found)
    elif rgb is not None:
        found.pixels[IGNORE] = rgb.shape[0] * rgb.shape[1]
    return found


def _read(
    folder: Folder,
    file: str,
    read: Callable[[str], Decoded],
    what: str,
    found: Inspection,
) -> Decoded | None:
    place = file.partition('#')[0]  # many images may share a file of labels
    if not folder.tree.has(place):
        found.faults[f'no {what} file'] = file
        return None
    try:
        return read(found.name)
    except DataError as error:
        reason = str(error).removeprefix(f'{folder.root}/')
        found.faults[f'{what} file that cannot be used'] = reason.rstrip('.')
        return None


def _inspect_rgb(rgb: NDArray[np.uint8], found: Inspection) -> None:
    found.size = (rgb.shape[0], rgb.shape[1])
    if rgb.min() == rgb.max():
        found.faults['color image of one value'] = str(rgb.max())
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(gray, THUMBNAIL[::-1], interpolation=cv2.INTER_AREA)
    found.thumbnail = small.astype(np.float32)


def _inspect_depth(depth: NDArray[np.uint16], unit_m: float, found: Inspection) -> None:
    readings = depth[depth > 0]
    found.seen = readings.size / depth.size
    if not readings.size:
        found.faults['depth image without a reading'] = 'all zero'
        return
    found.median_m = float(np.median(readings[::7])) * unit_m
    if depth.min() == depth.max():
        found.faults['depth image of one value'] = str(depth.max())


def _inspect_labels(ids: NDArray[np.uint8], table: NDArray[np.uint8], found: Inspection) -> None:
    counts = np.bincount(ids.ravel(), minlength=256)
    np.add.at(found.pixels, table, counts)
    found.unknown = {int(i) for i in np.flatnonzero((table == UNKNOWN) & (counts > 0))}
    if found.unknown:
        found.faults['label ids that are no class'] = f'{sorted(found.unknown)}'
    elif counts.sum() == found.pixels[IGNORE]:
        found.faults['label image without a class'] = 'all ignored'


def counted(kind: str, found: Sequence[str]) -> str:
    """Return a line that tells how often something was found, with the first few."""
    more = f' and {len(found) - _EXAMPLES} more' if len(found) > _EXAMPLES else ''
    return f'{len(found)} x {kind}: {", ".join(found[:_EXAMPLES])}{more}'
