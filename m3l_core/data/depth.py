"""Depth as another sensor would have given it: noise, holes, shadows, an end to its range.

Nothing here moves a pixel; the shift of depth against color belongs to the geometry of a view.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from m3l_core.data.noise import coarse, normal, uniform

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

_NEAREST_M = 0.1
_AHEAD = np.array([[0, -1, 1]], np.float32)
_DITHER_M = 0.02
"""Half a step of NYUv2's depth."""


def degrade_depth(
    depth_m: NDArray[np.float32],
    generator: Generator,
    *,
    focal_px: float | None = None,
    clean: bool = True,
) -> NDArray[np.float32]:
    """Return `(H, W)` meters as a real sensor might have reported them, 0 = no reading.

    Args:
        depth_m: `(H, W)` meters, 0 where there is none; that stays so.
        generator: Where chance comes from.
        focal_px: Focal length in pixels of the image (default: that of a usual camera).
        clean: Whether a sensor's holes and noise are still missing: in-painted depth, as
            NYUv2's is, or rendered without a sensor. Other depth is degraded less often.
    """
    share = 1.0 if clean else 0.4
    seen = depth_m > 0
    if generator.random() < 0.85:
        focal_px = focal_px or 0.9 * depth_m.shape[1]
        for chance, lost in _LOSSES:
            if generator.random() < chance * share:
                seen &= ~lost(depth_m, focal_px, generator)
    depth = depth_m * np.float32(generator.uniform(0.97, 1.03))
    if generator.random() < 0.7 * share:
        depth += _noise(depth, generator)
    if clean:
        depth += (uniform(depth.shape, generator) - np.float32(0.5)) * np.float32(2 * _DITHER_M)
    if generator.random() < 0.25:
        seen &= depth < np.float32(generator.uniform(2.5, 8))
    if generator.random() < 0.15:
        seen &= depth > np.float32(generator.uniform(0.4, 1.2))
    np.maximum(depth, np.float32(_NEAREST_M), out=depth)
    degraded: NDArray[np.float32] = np.multiply(depth, seen, dtype=np.float32)
    return degraded


def _noise(depth_m: NDArray[np.float32], generator: Generator) -> NDArray[np.float32]:
    """Return noise that grows with z^2, at times alike among neighbors as matching makes it."""
    noise = normal(depth_m.shape, generator)
    if generator.random() < 0.5:
        noise = cv2.blur(noise, (3, 3)) * np.float32(3)
    growth = depth_m * depth_m * np.float32(generator.uniform(0, 0.004))
    scaled: NDArray[np.float32] = noise * growth
    return scaled


def _edges(
    depth_m: NDArray[np.float32], focal_px: float, generator: Generator
) -> NDArray[np.bool_]:
    """Return ragged borders along jumps of depth, 1 to 4 pixels of a full camera image wide."""
    del focal_px
    size = 3 + 2 * int(generator.integers(0, 1 + depth_m.shape[0] // 200))
    kernel = np.ones((size, size), np.uint8)
    jump = cv2.dilate(depth_m, kernel) - cv2.erode(depth_m, kernel)
    edge: NDArray[np.bool_] = jump > np.float32(0.08) * np.maximum(depth_m, np.float32(1.2))
    edge &= uniform(depth_m.shape, generator) < np.float32(generator.uniform(0.3, 1))
    return edge


def _shadow(
    depth_m: NDArray[np.float32], focal_px: float, generator: Generator
) -> NDArray[np.bool_]:
    baseline_m = generator.uniform(0.03, 0.1)
    if generator.random() < 0.5:
        return projector_shadow(depth_m, focal_px, baseline_m)
    return projector_shadow(depth_m[:, ::-1], focal_px, baseline_m)[:, ::-1]


def projector_shadow(
    depth_m: NDArray[np.float32], focal_px: float, baseline_m: float
) -> NDArray[np.bool_]:
    """Return what a projector to the right of the camera does not reach: a band left of things."""
    inverse = cv2.divide(1.0, np.maximum(depth_m, np.float32(_NEAREST_M)))
    inverse *= depth_m > 0
    # Where the projector sees each pixel: behind what lies to the right and is seen further left.
    column = np.arange(depth_m.shape[1], dtype=np.float32)
    column = column - inverse * np.float32(focal_px * baseline_m)
    nearest = np.minimum.accumulate(column[:, ::-1], axis=1)[:, ::-1]
    hidden: NDArray[np.bool_] = column > nearest + np.float32(0.75)
    return hidden


def _grazing(
    depth_m: NDArray[np.float32], focal_px: float, generator: Generator
) -> NDArray[np.bool_]:
    """Return surfaces seen at so flat an angle that most of the light goes elsewhere."""
    limit = generator.uniform(3, 9) / focal_px
    log_m = cv2.log(np.maximum(depth_m, np.float32(_NEAREST_M)))
    size = int(np.clip(2 * round(focal_px / 100) + 3, 5, 15))  # wider than a step of the depth
    slopes = []
    for kernel in (_AHEAD, _AHEAD.T):
        slope = cv2.filter2D(log_m, -1, kernel)
        np.clip(slope, -3 * limit, 3 * limit, out=slope)  # a jump is no flat surface
        slopes.append(cv2.blur(slope, (size, size)))
    ragged = uniform(depth_m.shape, generator) + np.float32(0.5)
    lost: NDArray[np.bool_] = cv2.magnitude(*slopes) > ragged * np.float32(limit)
    return lost


def _patches(
    depth_m: NDArray[np.float32], focal_px: float, generator: Generator
) -> NDArray[np.bool_]:
    """Return irregular patches, as dark and shining surfaces leave them."""
    del focal_px
    cell = max(3, depth_m.shape[0] // int(generator.integers(4, 16)))
    field = coarse(depth_m.shape, cell, generator)
    return np.asarray(field > np.float32(generator.uniform(0.7, 1.0)))


def _speckle(
    depth_m: NDArray[np.float32], focal_px: float, generator: Generator
) -> NDArray[np.bool_]:
    """Return single pixels and small spots."""
    del focal_px
    chance = np.float32(generator.uniform(0, 0.02))
    lost: NDArray[np.bool_] = uniform(depth_m.shape, generator) < chance
    if generator.random() < 0.5:
        return np.asarray(cv2.dilate(lost.view(np.uint8), np.ones((2, 2), np.uint8)), np.bool_)
    return lost


_LOSSES = (
    (0.7, _edges),
    (0.6, _shadow),
    (0.5, _grazing),
    (0.4, _patches),
    (0.3, _speckle),
)
"""How often clean depth loses readings in which way."""
