"""Depth and labels as colored points in space; the camera is a pinhole."""

from __future__ import annotations

from dataclasses import dataclass
import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from m3l_core.errors import FrameError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from m3l_core.classes import ClassSet

POINT = np.dtype(
    [('x', '<f4'), ('y', '<f4'), ('z', '<f4'), ('rgb', '<u4'), ('label', '<u4')],
)
"""One point: meters in the camera's optical frame, color as 0x00RRGGBB, class index. It is laid
out as PCL's PointXYZRGBL without its padding."""


_LEAST_FOCAL = 1e-6
"""In pixels, far below any lens; what is less makes points that are infinitely far."""


@dataclass(frozen=True)
class Pinhole:
    """A camera without distortion.

    Attributes:
        fx: Focal length in pixels, across.
        fy: Focal length in pixels, down.
        cx: Column of the optical axis; 0 is the center of the first pixel.
        cy: Row of the optical axis.
        size: Height and width of its images.

    Raises:
        FrameError: If no camera has such numbers.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    size: tuple[int, int]

    def __post_init__(self) -> None:
        """Check what a division relies on."""
        numbers = (self.fx, self.fy, self.cx, self.cy)
        is_wrong = min(self.fx, self.fy) < _LEAST_FOCAL or min(self.size) <= 0
        if is_wrong or not all(map(math.isfinite, numbers)):
            height, width = self.size
            raise FrameError(
                f'camera info: expected a size and focal lengths above 0, got {width}x{height}, '
                f'fx {self.fx}, fy {self.fy}, cx {self.cx}, cy {self.cy}. Calibrate the camera.'
            )

    def resized(self, size: tuple[int, int]) -> Pinhole:
        """Return the camera whose images are these, resized to `size` (height, width)."""
        down, across = size[0] / self.size[0], size[1] / self.size[1]
        return Pinhole(
            fx=self.fx * across,
            fy=self.fy * down,
            cx=(self.cx + 0.5) * across - 0.5,
            cy=(self.cy + 0.5) * down - 0.5,
            size=size,
        )


def labeled_points(
    depth_m: NDArray[np.float32],
    labels: NDArray[np.uint8],
    camera: Pinhole,
    classes: ClassSet,
) -> NDArray[np.void]:
    """Return a point of type `POINT` for each depth reading, in the order of the pixels.

    Args:
        depth_m: `(h, w)` along the optical axis; pixels that are 0 or not finite have no point.
        labels: `(H, W)` of the same view, of any size; the nearest pixel counts.
        camera: Of that view, at any size.
        classes: Colors of the labels; a label without a class is black.
    """
    height, width = depth_m.shape
    if labels.shape != depth_m.shape:
        labels = cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    camera = camera.resized((height, width))
    seen = np.flatnonzero((depth_m > 0) & (depth_m < np.inf))
    row, column = np.divmod(seen, width)
    z = depth_m.ravel()[seen]
    label = labels.ravel()[seen]
    points = np.empty(len(seen), POINT)
    points['x'] = _slopes(width, camera.cx, camera.fx)[column] * z
    points['y'] = _slopes(height, camera.cy, camera.fy)[row] * z
    points['z'] = z
    points['rgb'] = _packed_colors(classes)[label]
    points['label'] = label
    return points


def _slopes(count: int, center: float, focal: float) -> NDArray[np.float32]:
    """Return for each row or column how fast its ray leaves the optical axis."""
    return ((np.arange(count) - center) / focal).astype(np.float32)


def _packed_colors(classes: ClassSet) -> NDArray[np.uint32]:
    red, green, blue = classes.colors(np.arange(256, dtype=np.uint8)).astype(np.uint32).T
    packed: NDArray[np.uint32] = red << 16 | green << 8 | blue
    return packed
