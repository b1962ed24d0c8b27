"""What both layouts of SUN RGB-D (Song, Lichtenberg, Xiao; CVPR 2015) have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from m3l_core.classes import SUN37
from m3l_core.data.card import DataCard
from m3l_core.data.samples import unrotated
from m3l_core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

TERMS = (
    'Weights trained on SUN RGB-D (Song, Lichtenberg, Xiao; CVPR 2015), which its authors offer '
    'for research; check its terms and those of the sets in it before commercial use.'
)

VALIDATION_ONE_IN = 10
"""The last tenth of each sixth of the training images validates: 528 of 5,285."""

_TENTH_MM = 0.0001

_FEWEST_READINGS = 1000


def sun_card(*, labeled: bool = True, rotated: bool, depth_unit_m: float = 0.001) -> DataCard:
    """Return what a card of SUN RGB-D says: 37 classes, ids 1 to 37, 0 = void."""
    return DataCard(
        name='SUN RGB-D',
        classes=SUN37.names,
        ids='sun37',
        labeled=labeled,
        depth_rotated=rotated,
        depth_unit_m=depth_unit_m,
        terms=TERMS,
    )


def tell_depth(images: Iterable[NDArray[np.uint16]], where: str) -> tuple[bool, float]:
    """Tell how depth files are encoded: as published, in 1/10000 m, or in millimeters.

    Published files hold millimeters rotated up by three bits: up to 8.19 m all are multiples of
    8. Files in 1/10000 m and in millimeters are not, and differ tenfold.

    Args:
        images: Some of them, as they are stored.
        where: What to call them in an error.

    Returns:
        Whether they are rotated, and the meters of a step after undoing that.

    Raises:
        DataError: If that cannot be told from their values.
    """
    readings = np.concatenate([image[image > 0] for image in images] or [np.zeros(0, np.uint16)])
    if readings.size >= _FEWEST_READINGS:
        eighths = float(np.mean(readings % 8 == 0))
        median = float(np.median(readings))
        rotated_m = float(np.median(unrotated(readings))) / 1000
        tenths = float(np.mean(readings % 10 == 0))
        if eighths > 0.95 and tenths < 0.8 and 0.5 < rotated_m < 8:
            return True, 0.001
        if eighths < 0.5 and median >= 9000:
            return False, _TENTH_MM
        if eighths < 0.5 and 500 < median <= 5000:
            return False, 0.001
        found = f'a median of {median:.0f} and {100 * eighths:.0f} % multiples of 8'
    else:
        found = f'{readings.size} readings'
    raise DataError(
        f'{where}: expected depth of SUN RGB-D as published (rotated millimeters), in 1/10000 m '
        f'or in millimeters; cannot tell which from {found}. Write a card.yaml with '
        'classes: sun37, ids: sun37, and depth_rotated: true or depth_unit_m.'
    )
