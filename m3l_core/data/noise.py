"""Random images that cost a copy instead of a draw for each pixel."""

from __future__ import annotations

from functools import lru_cache
import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

_BANK = 1 << 21
"""Values kept of each kind: twice an image of 480x640 in color."""


def normal(shape: tuple[int, ...], generator: Generator) -> NDArray[np.float32]:
    """Return unit normal noise, read-only: a stretch of one long fixed sequence."""
    return _stretch(_normal_bank(), shape, generator)


def uniform(shape: tuple[int, ...], generator: Generator) -> NDArray[np.float32]:
    """Return uniform noise in [0, 1), read-only: a stretch of one long fixed sequence."""
    return _stretch(_uniform_bank(), shape, generator)


def coarse(
    shape: tuple[int, ...],
    cell: int,
    generator: Generator,
    *,
    interpolation: int = cv2.INTER_LINEAR,
) -> NDArray[np.float32]:
    """Return uniform noise for cells of `cell` pixels, smooth between them.

    Cubic interpolation is smoother, and goes a little beyond [0, 1].
    """
    cells = generator.random((max(2, shape[0] // cell), max(2, shape[1] // cell)), np.float32)
    field: NDArray[np.float32] = cv2.resize(cells, shape[1::-1], interpolation=interpolation)
    return field


def _stretch(
    bank: NDArray[np.float32], shape: tuple[int, ...], generator: Generator
) -> NDArray[np.float32]:
    count = math.prod(shape)
    if count > _BANK // 2:
        repeated: NDArray[np.float32] = np.resize(bank, shape)
        return repeated
    start = int(generator.integers(0, _BANK - count))
    return bank[start : start + count].reshape(shape)


@lru_cache(maxsize=1)
def _normal_bank() -> NDArray[np.float32]:
    bank = np.random.default_rng(0).standard_normal(_BANK, np.float32)
    bank.setflags(write=False)
    return bank


@lru_cache(maxsize=1)
def _uniform_bank() -> NDArray[np.float32]:
    bank = np.random.default_rng(1).random(_BANK, np.float32)
    bank.setflags(write=False)
    return bank
