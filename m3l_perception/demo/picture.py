"""The demo as one picture: what the cameras gave, what the node said, phase by phase."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from m3l_core.errors import DataError
from m3l_core.files import write_atomically
from m3l_core.overlay import overlay

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from m3l_core.classes import ClassSet
    from m3l_perception.demo.recorder import Snapshot

_WIDTH = 320
_TITLE = 34
_FAR_M = 5.0
_BACKGROUND = (32, 32, 36)
_WHITE, _RED = (240, 240, 240), (255, 110, 90)


def write_picture(path: Path, phases: Sequence[tuple[str, Snapshot]], classes: ClassSet) -> None:
    """Write a PNG with one column for each phase: color, depth, labels, and the mode above.

    Raises:
        DataError: If the picture cannot be written.
    """
    columns = [_column(title, snapshot, classes) for title, snapshot in phases]
    height = max(len(column) for column in columns)
    filled = [_filled(column, height) for column in columns]
    sheet = np.vstack([np.hstack(filled), _legend(classes, _WIDTH * len(columns))])
    done, data = cv2.imencode('.png', cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    if not done:
        raise DataError(f'{path}: the picture cannot be encoded.')
    write_atomically(path, data.tobytes())


def _column(title: str, snapshot: Snapshot, classes: ClassSet) -> NDArray[np.uint8]:
    frame = snapshot.frame
    size = (_WIDTH, round(_WIDTH * frame.size[0] / frame.size[1]))
    labels = overlay(frame, snapshot.labels, classes, opacity=0.6)
    color = _absent(size, 'no color') if frame.rgb is None else cv2.resize(frame.rgb, size)
    depth = _absent(size, 'no depth')
    if frame.depth_m is not None:
        depth = cv2.resize(_colored(frame.depth_m), size, interpolation=cv2.INTER_NEAREST)
    return np.vstack(
        [
            _banner(title, _WHITE),
            _banner(snapshot.mode, _WHITE),
            color,
            depth,
            cv2.resize(labels, size),
        ]
    )


def _colored(depth_m: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return depth in colors, near red and far blue, black where there is none."""
    near = np.clip(255 * (1 - depth_m / _FAR_M), 0, 255).astype(np.uint8)
    colors = cv2.cvtColor(cv2.applyColorMap(near, cv2.COLORMAP_TURBO), cv2.COLOR_BGR2RGB)
    colors[~(depth_m > 0)] = 0
    return np.asarray(colors, np.uint8)


def _banner(text: str, color: tuple[int, int, int]) -> NDArray[np.uint8]:
    return _write(_blank(_TITLE, _WIDTH), text, (8, 23), color)


def _absent(size: tuple[int, int], text: str) -> NDArray[np.uint8]:
    return _write(_blank(size[1], size[0]), text, (size[0] // 2 - 45, size[1] // 2), _RED)


def _legend(classes: ClassSet, width: int) -> NDArray[np.uint8]:
    """Return the names of the classes beside their colors, in as many rows as they need."""
    step = 120
    per_row = max(1, width // step)
    rows = -(-len(classes) // per_row)
    image = _blank(rows * _TITLE, width)
    for index, (name, color) in enumerate(zip(classes.names, classes.palette, strict=True)):
        x, y = index % per_row * step + 8, index // per_row * _TITLE
        image[y + 9 : y + 25, x : x + 16] = color
        _write(image, name, (x + 24, y + 22), _WHITE)
    return image


def _blank(height: int, width: int) -> NDArray[np.uint8]:
    return np.full((height, width, 3), _BACKGROUND, np.uint8)


def _filled(column: NDArray[np.uint8], height: int) -> NDArray[np.uint8]:
    return np.vstack([column, _blank(height - len(column), column.shape[1])])


def _write(
    image: NDArray[np.uint8], text: str, at: tuple[int, int], color: tuple[int, int, int]
) -> NDArray[np.uint8]:
    cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.52, color, 1, cv2.LINE_AA)
    return image
