"""What the pixels of a camera's last image show."""

from __future__ import annotations

from typing import Any

import numpy as np

from m3l_core.errors import FrameError
from m3l_core.stream.image_codec import decode_depth, decode_rgb
from m3l_perception.cv_bridge_input import cv_bridge_decoder

_DARK, _BRIGHT = 3, 252
_FEW = 0.05
_FAR_M = 100.0
"""Farther than any depth camera sees."""


def described(message: Any, *, is_depth: bool) -> dict[str, Any]:  # noqa: ANN401
    """Return size, content, doubt and problem of an image, as `Heard` has them."""
    try:
        if is_depth:
            return _depth(decode_depth(message))
        return _rgb(decode_rgb(message, cv_bridge_decoder()))
    except FrameError as error:
        return {'problem': str(error)}
    except Exception as error:  # whatever is in a message, the doctor goes on
        return {'problem': f'cannot be decoded: {error!r}.'}


def _rgb(rgb: Any) -> dict[str, Any]:  # noqa: ANN401
    mean = float(rgb.mean())
    doubt = ''
    if not _DARK <= mean <= _BRIGHT:
        shade = 'black' if mean < _DARK else 'white'
        doubt = f'the image is {shade}. See to the lens, the light and the exposure.'
    return {'size': rgb.shape[:2], 'doubt': doubt}


def _depth(depth_m: Any) -> dict[str, Any]:  # noqa: ANN401
    valid = depth_m[np.isfinite(depth_m) & (depth_m > 0)]
    share = valid.size / max(depth_m.size, 1)
    if share < _FEW:
        doubt = f'only {share:.1%} of the depth is valid. See to the sensor and its range.'
        return {'size': depth_m.shape, 'doubt': doubt}
    median = float(np.median(valid))
    doubt = ''
    if median > _FAR_M:
        doubt = (
            f'the median depth is {median:.0f} m. Are its numbers millimeters? 32FC1 is in '
            'meters, 16UC1 in millimeters (REP 118).'
        )
    content = f'{share:.0%} of it valid, median {median:.2f} m.'
    return {'size': depth_m.shape, 'content': content, 'doubt': doubt}
