"""Label images as people look at them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from m3l_core.classes import ClassSet
    from m3l_core.frames import RgbdFrame


def overlay(
    frame: RgbdFrame, labels: NDArray[np.uint8], classes: ClassSet, opacity: float = 0.5
) -> NDArray[np.uint8]:
    """Return `(H, W, 3)` RGB: class colors over the color image, or over depth if that is all."""
    background = frame.rgb if frame.rgb is not None else _gray(frame)
    blended: NDArray[np.uint8] = cv2.addWeighted(
        background, 1 - opacity, classes.colors(labels), opacity, 0
    )
    return blended


def _gray(frame: RgbdFrame) -> NDArray[np.uint8]:
    """Return depth as gray, near bright and holes black."""
    assert frame.depth_m is not None  # noqa: S101 - a frame has one of the two
    depth = np.nan_to_num(frame.depth_m, nan=0, posinf=0, neginf=0)
    valid = depth > 0
    farthest = depth.max(initial=0) or 1
    gray = np.where(valid, 255 - 200 * depth / farthest, 0).astype(np.uint8)
    return np.repeat(gray[..., None], 3, axis=2)
