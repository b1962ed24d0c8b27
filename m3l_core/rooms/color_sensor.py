"""What a cheap color camera makes of a rendered image: shading, tint, blur, noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class ColorSensor:
    """One camera's way with color; draw it once per room or once per image."""

    exposure: float = 1.0
    """Factor on light before clipping."""

    gamma: float = 1.0
    """Exponent on [0, 1]; below 1 lifts the dark."""

    balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Factors on red, green and blue."""

    occlusion: float = 0.5
    """How much corners and the floor under things darken, as renderers forget."""

    vignette: float = 0.15
    """Loss of light in the corners."""

    blur_px: float = 0.5
    """Standard deviation of the lens blur."""

    noise: float = 3.0
    """Standard deviation of the noise, in gray levels."""

    def expose(
        self,
        rgb: NDArray[np.uint8],
        depth_m: NDArray[np.float32],
        rng: np.random.Generator,
    ) -> NDArray[np.uint8]:
        """Return `(H, W, 3)` uint8 as the camera gives it; `depth_m` tells where corners are."""
        light = rgb.astype(np.float32) / 255
        light *= _open_sky(depth_m, self.occlusion)[..., None]
        light *= np.asarray(self.balance, np.float32) * self.exposure
        light *= _vignette(depth_m.shape, self.vignette)[..., None]
        light = np.power(np.clip(light, 0, 1), self.gamma)
        if self.blur_px > 0:
            light = cv2.GaussianBlur(light, (0, 0), self.blur_px)
        gray = rng.standard_normal((*depth_m.shape, 1), np.float32)
        chroma = rng.standard_normal(light.shape, np.float32)
        levels = light * 255 + self.noise * (0.8 * gray + 0.5 * chroma)
        return np.clip(levels, 0, 255).astype(np.uint8)


def draw_color_sensor(rng: np.random.Generator) -> ColorSensor:
    """Return a camera as varied as those in real rooms."""
    warm = rng.uniform(-0.12, 0.12)
    return ColorSensor(
        exposure=float(rng.uniform(0.9, 1.7)),
        gamma=float(rng.uniform(0.7, 1.05)),
        balance=(1 + warm, 1.0, 1 - warm),
        occlusion=float(rng.uniform(0.3, 0.8)),
        vignette=float(rng.uniform(0.0, 0.35)),
        blur_px=float(rng.uniform(0.3, 0.9)),
        noise=float(rng.uniform(1.0, 7.0)),
    )


def _open_sky(depth_m: NDArray[np.float32], strength: float) -> NDArray[np.float32]:
    """Return a factor below 1 where a surface lies deeper than what is around it."""
    near = np.minimum(depth_m, 12.0)
    factor = np.ones_like(near)
    for radius, weight in ((4.0, 0.5), (16.0, 0.5)):
        behind = (near - cv2.GaussianBlur(near, (0, 0), radius)) / near
        factor -= strength * weight * np.clip(behind * 6, 0, 0.6)
    return factor


def _vignette(shape: tuple[int, ...], strength: float) -> NDArray[np.float32]:
    height, width = shape
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)
    falloff = 1 - strength * (x**2 + y**2) / 2
    return falloff.astype(np.float32)
