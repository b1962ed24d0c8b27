"""One moment seen by the cameras: the value that stream, engine and scoring share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from m3l_core.errors import expect_array, FrameError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Modality(Enum):
    """A kind of image; the value is its index in the network's streams."""

    RGB = 0
    DEPTH = 1


@dataclass(frozen=True, slots=True, eq=False)
class RgbdFrame:
    """A color image, the depth image that belongs to it, or one of them alone.

    Attributes:
        rgb: `(H, W, 3)` uint8 in the order R, G, B, or None.
        depth_m: `(H, W)` float32 meters along the optical axis, registered to `rgb`; 0 or NaN
            where the sensor saw nothing. None when there is no depth image.
        stamp_ns: Capture time of the anchor image (color while there is one).
        frame_id: Optical frame of the anchor image.

    Raises:
        FrameError: If both images are missing, or one has another shape or type.
    """

    rgb: NDArray[np.uint8] | None
    depth_m: NDArray[np.float32] | None
    stamp_ns: int = 0
    frame_id: str = ''

    def __post_init__(self) -> None:
        """Check what every later stage relies on."""
        if self.rgb is None and self.depth_m is None:
            raise FrameError('frame: expected a color or a depth image, got neither.')
        if self.rgb is not None:
            expect_array('rgb', self.rgb, (None, None, 3), np.uint8)
        if self.depth_m is not None:
            expect_array('depth_m', self.depth_m, (None, None), np.float32)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the anchor image, which the labels will have."""
        anchor = self.rgb if self.rgb is not None else self.depth_m
        assert anchor is not None  # noqa: S101 - __post_init__ has checked
        return anchor.shape[0], anchor.shape[1]


def meters(depth_mm: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Return depth in meters of a depth image in millimeters, as most cameras and files have."""
    depth_m: NDArray[np.float32] = np.multiply(depth_mm, np.float32(0.001), dtype=np.float32)
    return depth_m
