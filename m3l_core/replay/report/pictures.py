"""Color, depth, labels and truth of one frame as pictures of one size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import cv2
import numpy as np

from m3l_core.frames import RgbdFrame
from m3l_core.overlay import overlay

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from m3l_core.classes import ClassSet

    Pixels = TypeVar('Pixels', NDArray[np.uint8], NDArray[np.float32])

FARTHEST_M = 6.0
"""Depth is drawn on one scale, red near and blue from here on, so that frames compare."""

_PAPER = 40
_INK = (190, 190, 190)


@dataclass(frozen=True)
class Cell:
    """Height and width of every picture of a row."""

    height: int
    width: int

    @classmethod
    def like(cls, size: tuple[int, int], height: int) -> Cell:
        """Return a cell of some height with the aspect of a frame; its sides are even."""
        width = max(2, round(height * size[1] / size[0]))
        return cls(height + height % 2, width + width % 2)

    def fit(self, picture: Pixels, *, blend: bool = False) -> Pixels:
        """Return a picture brought to this size.

        Args:
            picture: Colors, depths or labels.
            blend: Whether values between two pixels mean something, as those of colors do.
        """
        shrinks = picture.shape[0] > self.height
        how = cv2.INTER_AREA if blend and shrinks else cv2.INTER_NEAREST
        fitted: Pixels = cv2.resize(picture, (self.width, self.height), interpolation=how)
        return fitted

    def without(self, name: str) -> NDArray[np.uint8]:
        """Return the picture of an image that is not there."""
        picture = np.full((self.height, self.width, 3), _PAPER, np.uint8)
        write(picture, f'no {name}', (8, self.height // 2), _INK)
        return picture


def row(
    frame: RgbdFrame,
    labels: NDArray[np.uint8],
    truth: NDArray[np.uint8] | None,
    classes: ClassSet,
    height: int,
) -> NDArray[np.uint8]:
    """Return RGB, depth, labels over the image and, if there is any, truth side by side.

    Args:
        frame: What the network got.
        labels: `(H, W)` class indices.
        truth: The same, or None.
        classes: Their colors.
        height: Of the row.
    """
    cell = Cell.like((labels.shape[0], labels.shape[1]), height)
    rgb = None if frame.rgb is None else cell.fit(frame.rgb, blend=True)
    depth_m = None if frame.depth_m is None else cell.fit(frame.depth_m)
    pictures = [
        cell.without('RGB') if rgb is None else rgb,
        cell.without('depth') if depth_m is None else depth_colors(depth_m),
        overlay(RgbdFrame(rgb, depth_m), cell.fit(labels), classes, 0.65),
    ]
    if truth is not None:
        pictures.append(classes.colors(cell.fit(truth)))
    return np.hstack(pictures)


def depth_colors(depth_m: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return `(H, W, 3)` RGB: red is near, blue far, black no reading."""
    known = np.nan_to_num(depth_m, nan=0, posinf=0, neginf=0)
    level = np.clip(known * np.float32(255 / FARTHEST_M), 0, 255).astype(np.uint8)
    colors: NDArray[np.uint8] = cv2.applyColorMap(255 - level, cv2.COLORMAP_TURBO)[
        ..., ::-1
    ].copy()
    colors[known <= 0] = 0
    return colors


def write(
    picture: NDArray[np.uint8], text: str, at: tuple[int, int], ink: tuple[int, int, int]
) -> None:
    """Write a line into an RGB picture; `at` is its left end on the baseline, (x, y)."""
    plain = text.encode('ascii', 'replace').decode()  # all that this font has
    cv2.putText(picture, plain, at, cv2.FONT_HERSHEY_SIMPLEX, 0.42, ink, 1, cv2.LINE_AA)
