"""Color images as another light and another camera would have given them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from m3l_core.data.noise import normal

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

_GRAY = np.tile(np.array([0.299, 0.587, 0.114]), (3, 1))
_LEVELS = np.linspace(0, 1, 256)[:, None]


def jitter_color(rgb: NDArray[np.uint8], generator: Generator) -> NDArray[np.uint8]:
    """Return `(H, W, 3)` with other brightness, contrast, tint, saturation, hue, blur and noise.

    The input is left as it is.
    """
    mean = float(np.mean(cv2.mean(rgb)[:3])) / 255
    image = cv2.transform(rgb, _mixing(generator))
    image = cv2.LUT(image, _curves(mean, generator))
    if generator.random() < 0.25:
        image = _blur(image, generator)
    if generator.random() < 0.4:
        noise = normal(image.shape, generator) * np.float32(generator.uniform(1, 14))
        image = cv2.add(image, noise, dtype=cv2.CV_8U)
    if generator.random() < 0.15:
        quality = int(generator.integers(25, 85))
        image = cv2.imdecode(
            cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1],
            cv2.IMREAD_COLOR,
        )
    result: NDArray[np.uint8] = image
    return result


def _mixing(generator: Generator) -> NDArray[np.float64]:
    """Return the matrix `(3, 3)` that sets saturation (at times to gray) and turns the hue."""
    saturation = 0 if generator.random() < 0.1 else generator.uniform(0.4, 1.7)
    angle = generator.triangular(-0.5, 0, 0.5)  # radians
    along = np.full((3, 3), 1 / 3)  # turning about the axis of grays
    across = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    turn = along + np.cos(angle) * (np.eye(3) - along) + np.sin(angle) * across
    matrix: NDArray[np.float64] = _GRAY + saturation * turn @ (np.eye(3) - _GRAY)
    return matrix


def _curves(mean: float, generator: Generator) -> NDArray[np.uint8]:
    """Return the table `(1, 256, 3)` of gamma, contrast about `mean`, brightness and tint."""
    gamma = 2 ** generator.uniform(-0.8, 0.8)
    center = mean**gamma
    level = center + (_LEVELS**gamma - center) * generator.uniform(0.5, 1.5)
    tint = generator.uniform(0.85, 1.15, 3) * generator.uniform(0.65, 1.35)
    return np.asarray(np.clip(level * tint * 255 + 0.5, 0, 255), np.uint8)[None]


def _blur(image: NDArray[np.uint8], generator: Generator) -> NDArray[np.uint8]:
    """Return the image out of focus, or as a camera sees it while it turns."""
    blurred: NDArray[np.uint8]
    if generator.random() < 0.6:
        sigma = generator.uniform(0.3, 1.2) * image.shape[0] / 160
        blurred = cv2.GaussianBlur(image, (0, 0), sigma)
        return blurred
    length = 3 + 2 * int(generator.integers(0, max(1, image.shape[0] // 80)))
    kernel = np.zeros((length, length), np.float32)
    middle, angle = length // 2, generator.uniform(0, np.pi)
    reach = np.array([np.cos(angle), np.sin(angle)]) * middle
    start, end = (tuple(int(v) for v in np.rint(middle + s * reach)) for s in (-1, 1))
    cv2.line(kernel, start, end, 1)
    blurred = cv2.filter2D(image, -1, kernel / kernel.sum())
    return blurred
