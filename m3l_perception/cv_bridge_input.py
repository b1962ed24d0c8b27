"""cv_bridge, where it is installed, for the rare encodings that are not decoded here."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, TYPE_CHECKING

import numpy as np

from m3l_core.errors import FrameError
from m3l_core.stream.image_header import check_size, shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from m3l_core.stream.image_codec import OtherDecoder


def cv_bridge_decoder() -> OtherDecoder | None:
    """Return cv_bridge as a decoder of raw color images, or None where it is not installed."""
    return _decode if find_spec('cv_bridge') else None


def _decode(message: Any) -> NDArray[np.uint8]:  # noqa: ANN401
    check_size('color image', message.height, message.width)
    try:
        from cv_bridge import CvBridge

        return np.ascontiguousarray(CvBridge().imgmsg_to_cv2(message, 'rgb8'))
    except Exception as error:  # Its own, and whatever NumPy 2 makes of its compiled half.
        raise FrameError(
            f'color image: expected an encoding that cv_bridge converts to rgb8, got '
            f'{shown(message.encoding)}: {" ".join(str(error).split())}. '
            'Choose another topic, or have its driver publish rgb8.'
        ) from error
