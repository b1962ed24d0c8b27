"""A data set made smaller and put into one file, which is read like the folder it came from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
import math
import os
from typing import Any, TYPE_CHECKING
import zipfile

import cv2
import yaml

from m3l_core.classes import IGNORE
from m3l_core.data.ahead import made_ahead
from m3l_core.data.card import CARD
from m3l_core.data.splits import spread
from m3l_core.errors import DataError
from m3l_core.preprocess import Letterbox

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from m3l_core.data.folder import Folder
    from m3l_core.data.samples import Sample

_MIB = 1 << 20
_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 90]
_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 6]

Members = dict[str, bytes]
"""Files of the pack: bytes by name."""


@dataclass(frozen=True, kw_only=True)
class Packing:
    """How small a data set is made.

    Raises:
        DataError: Naming every value that makes no sense.
    """

    size: tuple[int, int] = (240, 320)
    """Height and width into which each image is shrunk, its aspect kept."""

    frames: int | None = None
    """Images to take, evenly spread over the split; None takes all."""

    max_mib: float | None = None
    """Largest file; None is no limit."""

    def __post_init__(self) -> None:
        problems = []
        if min(self.size) < 32:
            problems.append(f'a size of at least 32x32, got {self.size[0]}x{self.size[1]}')
        if self.frames is not None and self.frames < 1:
            problems.append(f'at least 1 frame, got {self.frames}')
        if self.max_mib is not None and not self.max_mib > 0:
            problems.append(f'a limit above 0 MiB, got {self.max_mib:g}')
        if problems:
            raise DataError(f'pack: expected {"; ".join(problems)}.')

    def chosen(self, folder: Folder) -> list[int]:
        """Return the indices of the images to take."""
        return spread(range(len(folder)), self.frames or len(folder))


def pack(
    folder: Folder,
    out: Path,
    packing: Packing,
    *,
    threads: int = 2,
    on_image: Callable[[], None] | None = None,
) -> int:
    """Write one split of a data set into the zip file `out`; return the bytes it has.

    The file holds JPEG colors, depth in millimeters, labels, a card and the lists of the splits,
    so unpacking it gives a plain folder. It appears under its name only once it is whole.

    Raises:
        DataError: If an image cannot be read, or the file would exceed the limit.
        M3lError: If it cannot be written.
    """
    chosen = packing.chosen(folder)
    limit = math.inf if packing.max_mib is None else packing.max_mib * _MIB
    unfinished = out.with_name(f'.{out.name}.{os.getpid()}.partial')
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        try:
            with zipfile.ZipFile(unfinished, 'w') as file:
                _write(file, _about(folder, [folder.ids[i] for i in chosen], packing.size))
                shrink = partial(_shrunk, folder, packing.size)
                shrunk = made_ahead(shrink, chosen, threads=threads, name='m3l-pack')
                for done, members in enumerate(shrunk, start=1):
                    _write(file, members)
                    size = unfinished.stat().st_size
                    if size > limit:
                        raise _too_large(size * len(chosen) / done, limit, packing, len(chosen))
                    if on_image is not None:
                        on_image()
            unfinished.replace(out)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f'{out}: cannot be written: {error.strerror}.') from error
    return out.stat().st_size


def _write(file: zipfile.ZipFile, members: Members) -> None:
    for name, data in members.items():
        file.writestr(zipfile.ZipInfo(name), data)  # of a fixed date: same images, same bytes


def _shrunk(folder: Folder, size: tuple[int, int], index: int) -> Members:
    """Return the files of an image, three if it has labels."""
    sample = folder.read(index)
    rgb, depth, labels = _resized(sample, size)
    members = {
        f'rgb/{sample.name}.jpg': _encoded('.jpg', cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), _JPEG),
        f'depth/{sample.name}.png': _encoded('.png', depth, _PNG),
    }
    if folder.card.labeled:
        members[f'labels/{sample.name}.png'] = _encoded('.png', labels, _PNG)
    return members


def _resized(
    sample: Sample, size: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.uint16], NDArray[np.uint8]]:
    """Return color, depth and labels shrunk to fit into `size`; smaller ones stay as they are."""
    height, width = sample.labels.shape
    place = Letterbox.fit((height, width), size)
    if place.height >= height:
        return sample.rgb, sample.depth_mm, sample.labels
    target = (place.width, place.height)
    rgb = cv2.resize(sample.rgb, target, interpolation=cv2.INTER_AREA)
    depth = cv2.resize(sample.depth_mm, target, interpolation=cv2.INTER_NEAREST_EXACT)
    labels = cv2.resize(sample.labels, target, interpolation=cv2.INTER_NEAREST_EXACT)
    return rgb, depth, labels


def _encoded(suffix: str, image: NDArray[np.generic], options: list[int]) -> bytes:
    data: bytes = cv2.imencode(suffix, image, options)[1].tobytes()
    return data


def _about(folder: Folder, names: list[str], size: tuple[int, int]) -> Members:
    """Return the card and the lists."""
    frame = 0
    if folder.frame:
        height, width = folder.read(0).labels.shape
        frame = math.ceil(folder.frame * min(1.0, size[0] / height, size[1] / width))
    card: dict[str, Any] = {
        'name': folder.name,
        'labeled': folder.card.labeled,
        'classes': list(folder.classes.names),
        'palette': [list(color) for color in folder.classes.palette],
        'ignore': IGNORE,
        'clean_depth': folder.clean_depth,
        'frame': frame,
        'terms': folder.terms,
    }
    members = {CARD: yaml.safe_dump(card, sort_keys=False, allow_unicode=True).encode()}
    splits, packed = folder.splits, set(names)
    for kind, listed in (('train', splits.train), ('val', splits.val), ('test', splits.test)):
        lines = [f'{name}\n' for name in listed if name in packed]
        members[f'{kind}.txt'] = ''.join(lines).encode()
    return members


def _too_large(expected: float, limit: float, packing: Packing, frames: int) -> DataError:
    """Return the error that says by how much a file is too large, and what would fit."""
    share = 0.95 * limit / expected
    fewer = math.floor(frames * share)
    smaller = [max(32, math.floor(side * math.sqrt(share) / 8) * 8) for side in packing.size]
    remedy = f'--frames {fewer} or ' if fewer else ''
    return DataError(
        f'pack: expected at most {limit / _MIB:g} MiB, but {frames} images of '
        f'{packing.size[0]}x{packing.size[1]} take about {expected / _MIB:.1f} MiB, '
        f'{(expected - limit) / _MIB:.1f} too much. '
        f'Give {remedy}--size {smaller[0]}x{smaller[1]}.'
    )
