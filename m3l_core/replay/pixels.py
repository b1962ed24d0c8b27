"""What faults do to the pixels of an image, the same for the same seed and image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from m3l_core.frames import Modality, RgbdFrame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_COLOR_SIGMA = 20.0
"""Standard deviation of a cheap color sensor in a dim room, of 255."""

_DEPTH_SIGMA_PER_M = 0.01
"""The same of structured-light depth at one meter; it grows with the square of the distance."""

_HOLE_CELLS = 12
"""Holes are about a twelfth of the shorter side."""


@dataclass(frozen=True)
class Spoil:
    """Something that happens to the pixels of one image.

    Attributes:
        kind: `blacken`, `noise` or `holes`.
        amount: Of noise in a cheap sensor's, of holes the share of the image.
        seed: What chance is drawn from: that of the run, the fault and the image.
    """

    kind: str
    amount: float
    seed: tuple[int, ...]


def spoiled(frame: RgbdFrame, spoils: dict[Modality, tuple[Spoil, ...]]) -> RgbdFrame:
    """Return a decoded frame after what happens to its images."""
    if not any(spoils.values()):
        return frame
    rgb, depth_m = frame.rgb, frame.depth_m
    if rgb is not None:
        rgb = _spoiled_rgb(rgb, spoils.get(Modality.RGB, ()))
    if depth_m is not None:
        depth_m = _spoiled_depth(depth_m, spoils.get(Modality.DEPTH, ()))
    return RgbdFrame(rgb, depth_m, stamp_ns=frame.stamp_ns, frame_id=frame.frame_id)


def _spoiled_rgb(rgb: NDArray[np.uint8], spoils: Sequence[Spoil]) -> NDArray[np.uint8]:
    for spoil in spoils:
        if spoil.kind == 'blacken':
            rgb = np.zeros_like(rgb)
            continue
        chance = np.random.default_rng(spoil.seed)
        if spoil.kind == 'noise':
            noise = chance.standard_normal(rgb.shape, np.float32)
            noisy = rgb + spoil.amount * _COLOR_SIGMA * noise
            rgb = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
        else:
            rgb = np.where(_holes(rgb.shape, spoil.amount, chance)[..., None], np.uint8(0), rgb)
    return rgb


def _spoiled_depth(depth_m: NDArray[np.float32], spoils: Sequence[Spoil]) -> NDArray[np.float32]:
    for spoil in spoils:
        if spoil.kind == 'blacken':
            depth_m = np.zeros_like(depth_m)
            continue
        chance = np.random.default_rng(spoil.seed)
        if spoil.kind == 'noise':
            noise = chance.standard_normal(depth_m.shape, np.float32)
            sigma = np.float32(spoil.amount * _DEPTH_SIGMA_PER_M) * depth_m**2
            noisy = np.maximum(depth_m + sigma * noise, np.float32(0.001))
            depth_m = np.where(depth_m > 0, noisy, depth_m)
        else:
            hole = _holes(depth_m.shape, spoil.amount, chance)
            depth_m = np.where(hole, np.float32(0), depth_m)
    return depth_m


def _holes(shape: tuple[int, ...], share: float, chance: np.random.Generator) -> NDArray[np.bool_]:
    """Return `(H, W)`: round-edged patches that cover about `share` of the image."""
    height, width = shape[:2]
    cell = max(1, min(height, width) // _HOLE_CELLS)
    coarse = chance.random((height // cell + 2, width // cell + 2), np.float32)
    field = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    # `< quantile` is all of the image for share 1, and none of it for share 0.
    edge = np.inf if share >= 1 else np.quantile(field, share)
    covered: NDArray[np.bool_] = field < edge
    return covered
