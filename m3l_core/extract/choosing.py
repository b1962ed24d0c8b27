"""Whether a pair is worth keeping: alive, sharp, and unlike those that were kept."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import cv2
import numpy as np

from m3l_core.errors import BagError, FrameError
from m3l_core.stream import ContentWatch
from m3l_core.stream.image_codec import decode_rgb

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from m3l_core.bags.reading import Bag
    from m3l_core.extract.config import ExtractConfig
    from m3l_core.frames import RgbdFrame

_WIDTH = 320
"""Width at which sharpness is measured, so that it means the same at every size."""

_LOOKED_AT = 200
"""Color images, evenly spread over a bag, that tell its median sharpness."""

_THUMBNAIL = (32, 24)
_REMEMBERED = 256
"""Kept pairs that a new one is compared with: a robot returns, and memory stays bounded."""


class Chooser:
    """Decides, pair after pair, which ones of a bag are kept.

    Args:
        config: What is asked for.
        usual_sharpness: Median over the bag; see `median_sharpness`.
    """

    def __init__(self, config: ExtractConfig, usual_sharpness: float) -> None:
        self._config = config
        self._sharp_enough = config.sharpness * usual_sharpness
        self._content = ContentWatch()
        self._kept: deque[NDArray[np.float32]] = deque(maxlen=_REMEMBERED)
        self._depth_m: NDArray[np.float32] | None = None
        self._since = 0
        self._due_ns = 0
        self._kept_ns: int | None = None

    def is_due(self, stamp_ns: int) -> bool:
        """Tell whether the next pair is far enough from the last one that was kept."""
        self._since += 1
        self._due_ns = stamp_ns
        if self._kept_ns is None or stamp_ns < self._kept_ns:
            return True
        elapsed_s = (stamp_ns - self._kept_ns) / 1e9
        # Half a millisecond of slack: the stamps of 10 Hz are not always 0.1 s apart.
        return self._since >= self._config.every_frames and (
            elapsed_s + 0.0005 >= self._config.every_s
        )

    def why_not(self, frame: RgbdFrame, *, now_ns: int) -> str:
        """Return why a pair is left out, a word of `m3l_core.extract.bag.REASONS`; '' keeps it.

        Args:
            frame: Both images, of any size.
            now_ns: When the color image arrived.
        """
        assert frame.rgb is not None  # noqa: S101 - pairs only
        assert frame.depth_m is not None  # noqa: S101
        content = self._content.judge(frame, now_ns=now_ns)
        if any(finding is not None and finding.fault for finding in (content.rgb, content.depth)):
            return 'dead'
        if sharpness(frame.rgb) < self._sharp_enough:
            return 'blurred'
        thumbnail = _thumbnail(frame.rgb)
        if self._is_known(thumbnail):
            return 'alike'
        # No sensor gives the same noise twice: color went on and depth did not.
        if self._depth_m is not None and np.array_equal(self._depth_m, frame.depth_m):
            return 'dead'
        self._kept.append(thumbnail)
        self._depth_m = frame.depth_m
        self._kept_ns, self._since = self._due_ns, 0
        return ''

    def _is_known(self, thumbnail: NDArray[np.float32]) -> bool:
        if not self._kept or not self._config.distinct:
            return False
        difference = np.abs(np.stack(self._kept) - thumbnail).mean(axis=(1, 2))
        return bool(difference.min() < self._config.distinct)


def sharpness(rgb: NDArray[np.uint8]) -> float:
    """Return the variance of the Laplacian of an image `(H, W, 3)`, made 320 pixels wide."""
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    height, width = gray.shape
    if width > _WIDTH:
        size = (_WIDTH, max(1, round(height * _WIDTH / width)))
        gray = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
    return float(cv2.Laplacian(gray, cv2.CV_32F).var())


def median_sharpness(bag: Bag, topic: str) -> float:
    """Return the median sharpness of the color images of a bag; 0 if none can be read."""
    step = max(1, bag.topics[topic].count // _LOOKED_AT)
    found = []
    for index, raw in enumerate(bag.raw_messages([topic])):
        if index % step:
            continue
        try:
            found.append(sharpness(decode_rgb(bag.deserialize(raw))))
        except (BagError, FrameError):  # a damaged image; it is counted when its turn comes
            continue
    return float(np.median(found)) if found else 0.0


def _thumbnail(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    small: NDArray[np.uint8] = cv2.resize(gray, _THUMBNAIL, interpolation=cv2.INTER_AREA)
    return small.astype(np.float32)
