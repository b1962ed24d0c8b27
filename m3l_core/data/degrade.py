"""Depth as a hand-held structured-light camera gives it, for scores beside those on clean depth.

Unlike the random views of training these are fixed: the same image always loses the same pixels.
NYUv2's depth is in-painted; the frames of 7-Scenes that were looked at lack 11 to 27 % of theirs,
in a band at one side that is too near, in shadows and ragged edges, and in patches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
import zlib

import cv2
import numpy as np

from m3l_core.data.noise import coarse

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator
    from numpy.typing import NDArray

    Depth = NDArray[np.float32]
    Mask = NDArray[np.bool_]

_MISSING = (0.15, 0.25)
"""Range of the share of an image without reading; more where edges and shadows alone are more."""

_FOCAL = 0.9
"""Focal length as a share of the image's width; about that of the cameras of these data sets."""

_BASELINE_M = 0.075
"""Between projector and camera."""

_NOISE_PER_M = 0.0015
"""Standard deviation at 1 m, in meters; it grows with the square of the distance."""

_SHIFT = 3 / 640
"""Of depth against color, as a share of the image's width: 3 pixels at 480x640."""


def degraded(depth_m: Depth, sensor: str, name: str) -> Depth:
    """Return `depth_m` `(H, W)` as another sensor gives it, 0 where that sees nothing.

    Args:
        depth_m: Meters, 0 where there is none.
        sensor: One of `SENSORS`.
        name: Of the image; chance follows from it alone.
    """
    degrade = SENSORS[sensor]
    return degrade(depth_m, np.random.default_rng(zlib.crc32(name.encode())))


def with_holes(depth_m: Depth, generator: Generator) -> Depth:
    """Return depth with 15 to 25 % missing: shadows, ragged edges, a band at a side, patches."""
    lost = _shadow(depth_m) | _edges(depth_m, generator) | (depth_m <= 0)
    wanted = generator.uniform(*_MISSING)
    patches = _smooth(depth_m, generator, cell=40)
    band = _slope(depth_m.shape, generator) + 0.1 * _smooth(depth_m, generator)
    # The band takes three quarters of what is still wanted, the patches the rest.
    for field, share in ((band, lost.mean() / 4 + 0.75 * wanted), (patches, wanted)):
        missing = share - lost.mean()
        if missing > 0:
            lost |= field > np.quantile(field[~lost], 1 - missing / (1 - lost.mean()))
    return np.where(lost, np.float32(0), depth_m)


def with_noise(depth_m: Depth, generator: Generator) -> Depth:
    """Return depth in whole millimeters with noise that grows with the squared distance."""
    noise = generator.standard_normal(depth_m.shape, np.float32)
    noisy = depth_m + np.float32(_NOISE_PER_M) * depth_m**2 * noise
    millimeters = np.maximum(np.rint(1000 * noisy), 1)
    return np.where(depth_m > 0, millimeters / 1000, 0).astype(np.float32)


def with_shift(depth_m: Depth, generator: Generator) -> Depth:
    """Return depth that lies 3 pixels beside color, in any direction."""
    angle, length = generator.uniform(0, 2 * np.pi), _SHIFT * depth_m.shape[1]
    move = np.array([[1, 0, length * np.cos(angle)], [0, 1, length * np.sin(angle)]])
    move[:, 2] = np.rint(move[:, 2])
    height, width = depth_m.shape
    shifted: Depth = cv2.warpAffine(depth_m, move, (width, height), flags=cv2.INTER_NEAREST)
    return shifted


def like_seven_scenes(depth_m: Depth, generator: Generator) -> Depth:
    """Return depth with noise, holes and shift together."""
    noisy = with_noise(depth_m, generator)
    return with_shift(with_holes(noisy, generator), generator)


SENSORS: dict[str, Callable[[Depth, Generator], Depth]] = {
    'holes': with_holes,
    'noise': with_noise,
    'shift': with_shift,
    'sensor': like_seven_scenes,
}
"""By name; `sensor` is the other three at once."""


def _shadow(depth_m: Depth) -> Mask:
    """Return what the projector does not reach, being behind something nearer to its right.

    This is `depth.projector_shadow` but for its precision: that one, made for speed, decides a
    few pixels in a hundred million otherwise, and scores on these degradations are on record.
    """
    disparity = _FOCAL * depth_m.shape[1] * _BASELINE_M / np.maximum(depth_m, 0.1)
    column = np.arange(depth_m.shape[1]) - np.where(depth_m > 0, disparity, 0)
    nearest = np.minimum.accumulate(column[:, ::-1], axis=1)[:, ::-1]
    hidden: Mask = column > nearest + 0.75
    return hidden


def _edges(depth_m: Depth, generator: Generator) -> Mask:
    """Return ragged borders along jumps of depth."""
    kernel = np.ones((5, 5), np.uint8)
    jump = cv2.dilate(depth_m, kernel) - cv2.erode(depth_m, kernel)
    ragged = _smooth(depth_m, generator, cell=6) > 0.4
    edge: Mask = (jump > 0.08 * np.maximum(depth_m, 0.5)) & ragged
    return edge


def _slope(shape: tuple[int, ...], generator: Generator) -> NDArray[np.float32]:
    """Return a plane that rises by 1 toward a side, most often the lower one."""
    angle = generator.normal(np.pi / 2, 0.8)
    rows, columns = np.indices(shape, np.float32)
    down, right = np.float32(np.sin(angle) / shape[0]), np.float32(np.cos(angle) / shape[1])
    return np.asarray(rows * down + columns * right, np.float32)


def _smooth(depth_m: Depth, generator: Generator, *, cell: int = 24) -> Depth:
    """Return noise in about [0, 1] that changes over `cell` pixels."""
    return coarse(depth_m.shape, cell, generator, interpolation=cv2.INTER_CUBIC)
