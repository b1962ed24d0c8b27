"""A contact sheet of a data set: color, depth and labels side by side, and a legend."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from m3l_core.errors import DataError
from m3l_core.preprocess import Letterbox

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from m3l_core.classes import ClassSet
    from m3l_core.data.samples import Sample

_CELL = (150, 200)
_COLUMNS = 2
_MARGIN = 6
_LINE = 16
_PAPER = 245


def contact_sheet(samples: Sequence[Sample], classes: ClassSet) -> NDArray[np.uint8]:
    """Return an RGB picture of the samples, each as color, depth and labels with its name.

    Depth goes from red (near) to blue (far) on one scale for the whole sheet, so that a sample
    in another unit stands out; holes and pixels without a class are black.

    Raises:
        DataError: If there are no samples.
    """
    if not samples:
        raise DataError('contact sheet: expected at least one image that can be read, got none.')
    shown = np.concatenate([sample.depth_m[::8, ::8].ravel() for sample in samples])
    far_m = float(np.percentile(shown, 97)) or 1.0
    tiles = [_tile(sample, classes, far_m) for sample in samples]
    tiles += [np.full_like(tiles[0], _PAPER)] * (-len(tiles) % _COLUMNS)
    rows = [np.hstack(tiles[i : i + _COLUMNS]) for i in range(0, len(tiles), _COLUMNS)]
    width = rows[0].shape[1]
    title = np.full((2 * _LINE, width, 3), _PAPER, np.uint8)
    _write(title, f'color | depth, red = 0 m, blue = {far_m:.1f} m, black = none | labels', 0, 0)
    return np.vstack([title, *rows, _legend(classes, width)])


def _tile(sample: Sample, classes: ClassSet, far_m: float) -> NDArray[np.uint8]:
    near_far = np.clip(sample.depth_m / far_m * 255, 0, 255).astype(np.uint8)
    depth = cv2.applyColorMap(255 - near_far, cv2.COLORMAP_TURBO)[..., ::-1].copy()
    depth[sample.depth_mm == 0] = 0
    place = Letterbox.fit((sample.rgb.shape[0], sample.rgb.shape[1]), _CELL)
    height, width = _CELL
    tile = np.full((height + _LINE + _MARGIN, 3 * (width + 2) + _MARGIN, 3), _PAPER, np.uint8)
    for index, image in enumerate((sample.rgb, depth, classes.colors(sample.labels))):
        left = index * (width + 2)
        tile[_LINE : _LINE + height, left : left + width] = place.place_rgb(image, (_PAPER,) * 3)
    _write(tile, sample.name, 0, 0)
    return tile


def _legend(classes: ClassSet, width: int) -> NDArray[np.uint8]:
    column = 160
    columns = max(1, width // column)
    rows = -(-len(classes) // columns)
    legend = np.full(((rows + 1) * _LINE, width, 3), _PAPER, np.uint8)
    for index, (name, color) in enumerate(zip(classes.names, classes.palette, strict=True)):
        top, left = index // columns * _LINE, index % columns * column
        legend[top : top + _LINE - 4, left : left + 2 * _LINE] = color
        _write(legend, name, top - 2, left + 2 * _LINE + 4)
    return legend


def _write(image: NDArray[np.uint8], text: str, top: int, left: int) -> None:
    ascii_text = text.encode('ascii', 'replace').decode()  # all that this font has
    corner = (left, top + 12)
    cv2.putText(image, ascii_text, corner, cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0,) * 3, 1, cv2.LINE_AA)
