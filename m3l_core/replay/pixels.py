"""What faults do to the pixels of an image, the same for the same seed and image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import cv2
import numpy as np

from m3l_core.frames import Modality, RgbdFrame

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

_Number = TypeVar('_Number', np.uint8, np.float32)

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
        rgb = _spoiled(rgb, spoils.get(Modality.RGB, ()), _noisy_rgb)
    if depth_m is not None:
        depth_m = _spoiled(depth_m, spoils.get(Modality.DEPTH, ()), _noisy_depth)
    return RgbdFrame(rgb, depth_m, stamp_ns=frame.stamp_ns, frame_id=frame.frame_id)


def _spoiled(
    image: NDArray[_Number],
    spoils: Sequence[Spoil],
    noisy: Callable[[NDArray[_Number], float, np.random.Generator], NDArray[_Number]],
) -> NDArray[_Number]:
    """Return an image after all that happens to it; `noisy` adds noise as its camera does."""
    for spoil in spoils:
        if spoil.kind == 'blacken':
            image = np.zeros_like(image)
            continue
        chance = np.random.default_rng(spoil.seed)
        if spoil.kind == 'noise':
            image = noisy(image, spoil.amount, chance)
        else:
            image = image.copy()
            image[_holes(image.shape, spoil.amount, chance)] = 0
    return image


def _noisy_rgb(
    rgb: NDArray[np.uint8], amount: float, chance: np.random.Generator
) -> NDArray[np.uint8]:
    noise = chance.standard_normal(rgb.shape, np.float32)
    return np.clip(np.rint(rgb + amount * _COLOR_SIGMA * noise), 0, 255).astype(np.uint8)


def _noisy_depth(
    depth_m: NDArray[np.float32], amount: float, chance: np.random.Generator
) -> NDArray[np.float32]:
    noise = chance.standard_normal(depth_m.shape, np.float32)
    sigma = np.float32(amount * _DEPTH_SIGMA_PER_M) * depth_m**2
    noisy = np.maximum(depth_m + sigma * noise, np.float32(0.001))
    return np.where(depth_m > 0, noisy, depth_m)


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
