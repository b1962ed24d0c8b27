"""How far the stamps of depth are from those of RGB, and how to bring them together."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass

_STAMPS_KEPT = 256
_SAMPLES = 64
_KNOWN_AFTER = 5

_LEAP_NS = 250_000_000
"""Samples further apart are of a clock that was set: what was learned before is void."""

_OTHER_CLOCK_NS = 300_000_000
"""Streams that never meet, and of which one is stamped so long before it arrives, differ by their
clocks; what is less may be the transport."""


@dataclass(frozen=True)
class Skew:
    """Stamps of depth, its offset added, minus those of RGB.

    Attributes:
        typical_ns: The median of what was seen lately.
        is_constant: Whether one offset brings nearly all of them within the gap.
    """

    typical_ns: int
    is_constant: bool


class SkewEstimator:
    """Learns the skew from what arrives.

    It is measured in stamps as long as these overlap, and then within half a period: which of
    the RGB images before and after is the partner cannot be known. When clocks differ, all that
    tells by how much is when images arrive, so that the transport of both streams is in it.
    """

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget all stamps."""
        self._rgb_times: deque[int] = deque(maxlen=_STAMPS_KEPT)
        self._rgb_arrival_ns = 0
        self._by_stamps: deque[int] = deque(maxlen=_SAMPLES)
        self._by_arrivals: deque[int] = deque(maxlen=_SAMPLES)

    def saw_rgb(self, time_ns: int, arrival_ns: int) -> None:
        """Take in the next RGB image; its stamp is newer than all before."""
        self._rgb_times.append(time_ns)
        self._rgb_arrival_ns = arrival_ns

    def saw_depth(self, time_ns: int, arrival_ns: int, rgb_period_ns: int | None) -> None:
        """Take in the next depth image."""
        if not self._rgb_times or rgb_period_ns is None:
            return
        newest_ns = self._rgb_times[-1]
        sample = (time_ns - newest_ns) - (arrival_ns - self._rgb_arrival_ns)
        if self._by_arrivals and abs(sample - self._by_arrivals[-1]) > _LEAP_NS:
            self._by_arrivals.clear()
            self._by_stamps.clear()
        self._by_arrivals.append(sample)
        before = bisect_right(self._rgb_times, time_ns)
        if before and time_ns - self._rgb_times[before - 1] <= 3 * rgb_period_ns // 2:
            self._by_stamps.append(time_ns - self._rgb_times[before - 1])

    def skew(self, *, gap_ns: int, period_ns: int, meets: bool) -> Skew | None:
        """Return the skew, or None while too little was seen.

        Args:
            gap_ns: Largest difference of stamps that pairs.
            period_ns: Stamp period of the faster stream.
            meets: Whether the streams pair, or would if they waited.
        """
        if len(self._by_arrivals) < _KNOWN_AFTER:
            return None
        far = _skew(sorted(self._by_arrivals), gap_ns)
        if len(self._by_stamps) < _KNOWN_AFTER:
            return far
        # Around the first sample, so that half a period is not torn into two.
        first = self._by_stamps[0]
        unfolded = sorted(first + _folded(at - first, period_ns) for at in self._by_stamps)
        near = _skew(unfolded, gap_ns)
        near = Skew(_folded(near.typical_ns, period_ns), near.is_constant)
        return near if meets or abs(far.typical_ns) < _OTHER_CLOCK_NS else far


def _folded(difference_ns: int, period_ns: int) -> int:
    """Return a difference of stamps to the nearest image of an even stream."""
    half = period_ns // 2
    return (difference_ns + half) % period_ns - half


def _skew(ordered: list[int], gap_ns: int) -> Skew:
    tenth = len(ordered) // 10
    spread = ordered[-1 - tenth] - ordered[tenth]
    return Skew(ordered[len(ordered) // 2], spread <= gap_ns)
