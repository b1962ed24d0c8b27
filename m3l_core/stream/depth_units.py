"""What a depth value means: meters, and 0 where there is no reading."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def meters(depth: NDArray[np.generic]) -> NDArray[np.float32]:
    """Return a float32 copy in meters of integer millimeters or float meters (REP 118).

    0 where floats are no reading: NaN, infinite or negative.
    """
    with np.errstate(over='ignore', invalid='ignore'):  # Of 64 bits, or of damage.
        depth_m = np.array(depth, np.float32, order='C')
    if depth.dtype.kind == 'u':
        depth_m *= np.float32(0.001)
        return depth_m
    with np.errstate(invalid='ignore'):
        depth_m[~((depth_m > 0) & (depth_m < np.inf))] = 0
    return depth_m
