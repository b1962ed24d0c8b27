"""Whether decoded images show what is before the cameras.

Black, white, empty and frozen images arrive as punctually as good ones; only their pixels tell.
Frozen is an image whose bytes repeat while those of the other stream change. When neither
changes, nothing may be there to be seen: a parked robot in a simulator without noise. That is
worth a word and no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TYPE_CHECKING

import numpy as np

from m3l_core.frames import Modality, RgbdFrame
from m3l_core.stream.health import Finding, Severity

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SAMPLES = 60
"""Rows, and about as many columns, that are looked at: 4800 pixels of 640x480 take 0.1 ms."""

_MOST = 0.99
"""Share of pixels that must be black, or white, for an image that shows nothing."""
_DARKEST = 8
_BRIGHTEST = 247

_LEAST_VALID = 0.02
"""Share of valid pixels below which depth is as good as none."""

_FROZEN_AFTER_NS = 2_000_000_000
_PAUSE_NS = 500_000_000
"""Longest rest of a stream that still counts as changing all the time."""
_FORGET_NS = 5_000_000_000
"""Absence after which what was seen before says nothing about what is seen now."""


@dataclass(frozen=True)
class Content:
    """What the images of one frame turned out to be.

    Attributes:
        rgb: The finding on the RGB image, or None if there was none.
        depth: The same of the depth image.
        warning: Empty, or what is worth a word although it changes no mode.
    """

    rgb: Finding | None
    depth: Finding | None
    warning: str = ''

    @property
    def used(self) -> tuple[Modality, ...]:
        """The streams to label from: those that are healthy, else the less sick one."""
        findings = {Modality.RGB: self.rgb, Modality.DEPTH: self.depth}
        ranks = {stream: found.severity for stream, found in findings.items() if found}
        healthy = tuple(stream for stream, rank in ranks.items() if rank is Severity.HEALTHY)
        return healthy or tuple(sorted(ranks, key=lambda stream: ranks[stream])[:1])

    def without_sick(self, frame: RgbdFrame) -> RgbdFrame:
        """Return the frame to label: an image that is sick counts as missing."""
        return RgbdFrame(
            frame.rgb if Modality.RGB in self.used else None,
            frame.depth_m if Modality.DEPTH in self.used else None,
            stamp_ns=frame.stamp_ns,
            frame_id=frame.frame_id,
        )


class ContentWatch:
    """Judges the images of the frames that are labeled, one frame after the other."""

    def __init__(self) -> None:
        self._views = {Modality.RGB: _View(), Modality.DEPTH: _View()}

    def judge(self, frame: RgbdFrame, *, now_ns: int) -> Content:
        """Return what the images of `frame` turned out to be.

        The pixels are kept, not copied, until the next frame: do not write to them.

        Args:
            frame: The decoded images, before any of them is left out.
            now_ns: When the frame's anchor arrived, in steady time.
        """
        rgb, depth = self._views[Modality.RGB], self._views[Modality.DEPTH]
        if frame.rgb is not None:
            rgb.look(frame.rgb, now_ns)
        if frame.depth_m is not None:
            depth.look(frame.depth_m.view(np.uint32), now_ns)  # NaN is no difference
        found_rgb = None if frame.rgb is None else _rgb(frame.rgb) or rgb.against(depth, 'rgb')
        found_depth = (
            None if frame.depth_m is None else _depth(frame.depth_m) or depth.against(rgb, 'depth')
        )
        return Content(found_rgb, found_depth, _warning(found_rgb, found_depth, rgb, depth))


class _View:
    """When the bytes of one stream changed.

    The times are those of the frames that were labeled, so a slow engine sees long steps: a rest
    is one only if it is longer than two of them.
    """

    def __init__(self) -> None:
        self._pixels: NDArray[Any] | None = None
        self.seen_ns = 0
        self.changed_ns = 0
        self.changing_since_ns = 0
        self.pause_ns = _PAUSE_NS

    def look(self, pixels: NDArray[Any], now_ns: int) -> None:
        """Compare the next image with the one before."""
        step_ns = now_ns - self.seen_ns
        is_new = self._pixels is None or not 0 <= step_ns <= _FORGET_NS
        self.seen_ns = now_ns
        if not is_new and _same(self._pixels, pixels):
            return
        self._pixels = pixels
        self.pause_ns = max(_PAUSE_NS, 0 if is_new else 2 * step_ns)
        if is_new or now_ns - self.changed_ns > self.pause_ns:
            self.changing_since_ns = now_ns
        self.changed_ns = now_ns

    def against(self, other: _View, name: str) -> Finding:
        """Return whether this stream is frozen, seen by what the other one shows."""
        now_ns = self.seen_ns
        same_ns = now_ns - max(self.changed_ns, other.changing_since_ns)
        changes = abs(now_ns - other.changed_ns) <= other.pause_ns
        if same_ns < _FROZEN_AFTER_NS or not changes:
            return Finding()
        return Finding(
            f'{name}_frozen: the same image for {(now_ns - self.changed_ns) / 1e9:.1f} s while '
            'the other stream changes',
            Severity.MISLEADS,
        )

    def is_still(self) -> bool:
        """Return whether this stream shows the same for as long as a frozen one."""
        return self.seen_ns - self.changed_ns >= _FROZEN_AFTER_NS


def _same(before: NDArray[Any] | None, now: NDArray[Any]) -> bool:
    """Return whether all pixels are equal; a few tell it of nearly all images that differ."""
    if before is None or before.shape != now.shape:
        return False
    return np.array_equal(_sample(before), _sample(now)) and np.array_equal(before, now)


def _sample(pixels: NDArray[Any]) -> NDArray[Any]:
    step = max(1, min(pixels.shape[:2]) // _SAMPLES)
    return pixels[::step, ::step]


def _rgb(rgb: NDArray[np.uint8]) -> Finding | None:
    """Return what is wrong with the colors of one image alone, or None."""
    sample = _sample(rgb)
    for name, extreme in (('black', sample < _DARKEST), ('white', sample > _BRIGHTEST)):
        share = float(np.all(extreme, axis=2).mean())
        if share >= _MOST:
            fault = f'rgb_{name}: {share:.0%} of the image is {name}'
            return Finding(fault, Severity.SAYS_NOTHING)
    return None


def _depth(depth_m: NDArray[np.float32]) -> Finding | None:
    """Return what is wrong with one depth image alone, or None."""
    sample = _sample(depth_m)
    share = float(np.mean((sample > 0) & (sample < np.inf)))
    if share >= _LEAST_VALID:
        return None
    fault = f'depth_empty: {share:.1%} of the depth image is valid'
    return Finding(fault, Severity.SAYS_NOTHING)


def _warning(
    found_rgb: Finding | None, found_depth: Finding | None, rgb: _View, depth: _View
) -> str:
    """Return what is worth a word about both images together."""
    if found_rgb is None or found_depth is None:
        return ''
    if found_rgb.fault and found_depth.fault:
        less = 'rgb' if found_rgb.severity <= found_depth.severity else 'depth'
        return f'both_sick: {found_rgb.fault}; {found_depth.fault}; labels are made from {less}'
    if rgb.is_still() and depth.is_still():
        return 'both_still: neither RGB nor depth has changed for 2 s; parked, or both frozen'
    return ''
