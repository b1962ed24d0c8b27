"""What a structured-light depth camera makes of true depth: steps, noise, shadows, holes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class DepthSensor:
    """A camera that measures disparity in steps, so that its depth steps grow with z squared."""

    baseline_m: float = 0.075
    """Between projector and camera; the projector's shadow falls on the left of things."""

    steps_per_radian: float = 3500.0
    """Disparity steps in one radian: 15 mm at 2 m. A Kinect has 4640."""

    noise_steps: float = 0.4
    """Standard deviation of the smooth disparity noise, in steps."""

    min_range_m: float = 0.4
    """Nearer things give no reading."""

    max_range_m: float = 8.0
    """Farther things give no reading."""

    grazing: float = 0.12
    """Cosine between ray and surface normal below which most readings are lost."""

    speckle: float = 0.002
    """Share of the image lost in small random spots."""

    def measure(
        self,
        depth_m: NDArray[np.float32],
        *,
        focal_px: float,
        rng: np.random.Generator,
        absorbing: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.float32]:
        """Return `(H, W)` float32 meters as the sensor reports them, 0 where it sees nothing.

        Args:
            depth_m: `(H, W)` true depth along the optical axis.
            focal_px: Focal length of the image.
            rng: Source of the noise.
            absorbing: `(H, W)` surfaces that swallow or scatter the pattern, such as window
                panes and dark screens; about half of them gives no reading.
        """
        true = np.maximum(depth_m.astype(np.float64), 0.05)
        scale = self.baseline_m * self.steps_per_radian
        smooth = _correlated(rng, true.shape)
        step = np.rint(scale / true + self.noise_steps * smooth)
        measured = scale / np.maximum(step, 1.0)
        lost = (true < self.min_range_m) | (true > self.max_range_m)
        lost |= self._shadow(true, focal_px) | _edges(true, rng)
        lost |= _facing(true, focal_px) < self.grazing * rng.uniform(0.6, 1.4, true.shape)
        lost |= _blots(rng, true.shape, self.speckle)
        if absorbing is not None:
            lost |= absorbing & (_correlated(rng, true.shape, grain=12) > rng.normal(0.0, 0.5))
        measured[lost] = 0.0
        return measured.astype(np.float32)

    def _shadow(self, depth_m: NDArray[np.float64], focal_px: float) -> NDArray[np.bool_]:
        """Return where something to the right, being nearer, stops the projector's rays."""
        column = np.arange(depth_m.shape[1]) - focal_px * self.baseline_m / depth_m
        nearest = np.minimum.accumulate(column[:, ::-1], axis=1)[:, ::-1]
        hidden: NDArray[np.bool_] = column > nearest + 0.5
        return hidden


def draw_depth_sensor(rng: np.random.Generator) -> DepthSensor:
    """Return a sensor, finer or coarser, noisier or quieter than the usual one."""
    return DepthSensor(
        baseline_m=float(rng.uniform(0.03, 0.1)),
        steps_per_radian=float(rng.uniform(2500, 9000)),
        noise_steps=float(rng.uniform(0.1, 1.2)),
        min_range_m=float(rng.uniform(0.2, 0.7)),
        max_range_m=float(rng.uniform(4.0, 10.0)),
        grazing=float(rng.uniform(0.0, 0.2)),
        speckle=float(rng.uniform(0.0, 0.01)),
    )


def _correlated(
    rng: np.random.Generator, shape: tuple[int, ...], grain: int = 5
) -> NDArray[np.float64]:
    """Return unit noise whose neighbors are alike, as block matching gives it."""
    height, width = shape
    cells = rng.standard_normal((height // grain + 2, width // grain + 2))
    smooth = cv2.resize(cells, None, fx=grain, fy=grain, interpolation=cv2.INTER_CUBIC)
    top, left = rng.integers(0, grain, 2)
    window: NDArray[np.float64] = smooth[top : top + height, left : left + width]
    return window


def _edges(depth_m: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return ragged borders of one to two pixels along jumps of depth."""
    inverse = (1 / depth_m).astype(np.float32)
    spread = cv2.dilate(inverse, np.ones((3, 3))) - cv2.erode(inverse, np.ones((3, 3)))
    jump = (spread * depth_m > 0.06).astype(np.uint8)
    wide = cv2.dilate(jump, np.ones((3, 3), np.uint8))
    ragged = _correlated(rng, depth_m.shape) > 0
    edges: NDArray[np.bool_] = (jump & ragged | wide & ragged & (rng.random(jump.shape) < 0.3)) > 0
    return edges


def _facing(depth_m: NDArray[np.float64], focal_px: float) -> NDArray[np.float64]:
    """Return the cosine between each pixel's ray and the surface it hits."""
    height, width = depth_m.shape
    u = (np.arange(width) - width / 2 + 0.5) / focal_px
    v = ((np.arange(height) - height / 2 + 0.5) / focal_px)[:, None]
    # The plane through a pixel is n . X = 1 / (inverse depth); gradients of 1/z give n directly.
    inverse = 1 / depth_m
    nx = np.gradient(inverse, axis=1) * focal_px
    ny = np.gradient(inverse, axis=0) * focal_px
    nz = inverse - nx * u - ny * v
    ray = np.sqrt(1 + u**2 + v**2)
    cosine: NDArray[np.float64] = np.abs(inverse) / (np.sqrt(nx**2 + ny**2 + nz**2) * ray)
    return cosine


def _blots(rng: np.random.Generator, shape: tuple[int, ...], share: float) -> NDArray[np.bool_]:
    """Return small spots that cover about `share` of the image."""
    seeds = (rng.random(shape) < share / 5).astype(np.uint8)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    spots: NDArray[np.bool_] = cv2.dilate(seeds, cross) > 0
    return spots
