"""How a frame of any size is laid into the one size an engine takes, and its labels back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import cv2
import numpy as np

from m3l_core.classes import IGNORE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Size = tuple[int, int]
"""Height and width."""

Pixel = TypeVar('Pixel', np.uint8, np.float32)


@dataclass(frozen=True)
class Letterbox:
    """Where a frame lies, its aspect kept, inside an image of another size."""

    frame_size: Size
    image_size: Size
    top: int
    left: int
    height: int
    width: int

    @classmethod
    def fit(cls, frame_size: Size, image_size: Size) -> Letterbox:
        """Return the largest centered place for a frame of `frame_size` in `image_size`."""
        scale = min(image_size[0] / frame_size[0], image_size[1] / frame_size[1])
        height = min(image_size[0], max(1, round(frame_size[0] * scale)))
        width = min(image_size[1], max(1, round(frame_size[1] * scale)))
        top, left = (image_size[0] - height) // 2, (image_size[1] - width) // 2
        return cls(frame_size, image_size, top, left, height, width)

    @property
    def padded_share(self) -> float:
        """Share of the image that is padding: computed, but seen by no camera."""
        return 1 - self.height * self.width / (self.image_size[0] * self.image_size[1])

    def place_rgb(self, rgb: NDArray[np.uint8], fill: Sequence[float]) -> NDArray[np.uint8]:
        """Return `rgb` `(H, W, 3)` in an image filled with the color `fill` (0 to 255).

        Shrinking averages pixels, so that fine texture does not alias.
        """
        shrinks = self.height < rgb.shape[0]
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        inner = self._resized(rgb, how)
        if self._is_whole:
            return inner
        image = np.empty((*self.image_size, 3), np.uint8)
        image[:] = np.round(fill)
        image[self._place] = inner
        return image

    def place_depth(self, depth_m: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return `depth_m` `(h, w)`, of any size with the frame's view, in an image of zeros.

        The nearest reading is taken: a mean across an edge is a distance where nothing is.
        """
        inner = self._resized(depth_m, cv2.INTER_NEAREST_EXACT)
        if self._is_whole:
            return inner
        image = np.zeros(self.image_size, np.float32)
        image[self._place] = inner
        return image

    def place_labels(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return `labels` `(H, W)` in an image of pixels without a class."""
        image = np.full(self.image_size, IGNORE, np.uint8)
        image[self._place] = self._resized(labels, cv2.INTER_NEAREST_EXACT)
        return image

    def crop(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the part of `labels` (at `image_size`) that shows the frame, at its size."""
        inner = labels[self._place]
        if inner.shape == self.frame_size:
            return np.ascontiguousarray(inner)
        height, width = self.frame_size
        result: NDArray[np.uint8] = cv2.resize(
            inner, (width, height), interpolation=cv2.INTER_NEAREST_EXACT
        )
        return result

    @property
    def _is_whole(self) -> bool:
        return (self.height, self.width) == self.image_size

    @property
    def _place(self) -> tuple[slice, slice]:
        return (
            slice(self.top, self.top + self.height),
            slice(self.left, self.left + self.width),
        )

    def _resized(self, image: NDArray[Pixel], how: int) -> NDArray[Pixel]:
        if image.shape[:2] == (self.height, self.width):
            return np.ascontiguousarray(image)
        result: NDArray[Pixel] = cv2.resize(image, (self.width, self.height), interpolation=how)
        return result
