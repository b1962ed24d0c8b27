"""What a depth value means: meters, and 0 where there is no reading."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def meters(depth: NDArray[np.generic]) -> NDArray[np.float32]:
    """Return a float32 copy in meters of integer millimeters or float meters (REP 118)."""
    with np.errstate(over='ignore', invalid='ignore'):  # Of 64 bits, or of damage.
        depth_m = np.array(depth, np.float32, order='C')
    if depth.dtype.kind == 'u':
        depth_m *= np.float32(0.001)
        return depth_m
    return drop_non_readings(depth_m)


def drop_non_readings(depth_m: NDArray[np.float32]) -> NDArray[np.float32]:
    """Set NaN, infinite and negative values, to which REP 117 gives a meaning, to 0 in place."""
    with np.errstate(invalid='ignore'):
        depth_m[~((depth_m > 0) & (depth_m < np.inf))] = 0
    return depth_m
