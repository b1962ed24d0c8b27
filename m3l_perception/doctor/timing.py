"""How two streams of stamps go together; arithmetic only."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from m3l_core.stream.rhythm import auto_gap_ns

if TYPE_CHECKING:
    from m3l_perception.doctor.facts import Heard

_STEADY = 0.1
"""Share of a period that the skew may spread for it to be called constant."""


@dataclass(frozen=True, kw_only=True)
class Together:
    """How depth goes with RGB; times in milliseconds.

    Attributes:
        gap_ms: Largest difference of stamps at which the node pairs.
        skew_ms: Median of depth's stamp minus that of the nearest RGB image.
        is_steady: Whether that difference hardly varies.
        paired_share: Share of the images of the slower stream whose partner is within the gap.
        lag_ms: 99th percentile of how much later depth arrives than its RGB image.
    """

    gap_ms: float
    skew_ms: float
    is_steady: bool
    paired_share: float
    lag_ms: float


def together(rgb: Heard, depth: Heard, *, most_ns: int = 0) -> Together | None:
    """Return how the streams go together; None if either is too short to tell.

    Args:
        rgb: What came of RGB.
        depth: What came of depth.
        most_ns: Largest difference of stamps that pairs; 0 takes what the node takes by itself.
    """
    rgb_ns, depth_ns = rgb.period_ns, depth.period_ns
    if not rgb_ns or not depth_ns:
        return None
    gap_ns = most_ns or auto_gap_ns(rgb_ns, depth_ns)
    if rgb.stamps_ns[-1] < depth.stamps_ns[0] or depth.stamps_ns[-1] < rgb.stamps_ns[0]:
        return _apart(rgb, depth, gap_ns)
    few, many, sign = (rgb, depth, -1) if rgb_ns > depth_ns else (depth, rgb, 1)
    ordered = sorted(zip(many.stamps_ns, many.arrivals_ns, strict=True))
    stamps = [stamp for stamp, _ in ordered]
    skews, lags = [], []
    for stamp, arrival in zip(few.stamps_ns, few.arrivals_ns, strict=True):
        if not stamps[0] - gap_ns <= stamp <= stamps[-1] + gap_ns:
            continue  # its partner came before or after we listened
        nearest = _nearest(stamps, stamp)
        skews.append(sign * (stamp - stamps[nearest]))
        lags.append(sign * (arrival - ordered[nearest][1]))
    if not skews:
        return None
    middle = median(skews)
    spread = median(abs(skew - middle) for skew in skews)
    lags.sort()
    return Together(
        gap_ms=gap_ns / 1e6,
        skew_ms=middle / 1e6,
        is_steady=spread < _STEADY * min(rgb_ns, depth_ns),
        paired_share=sum(abs(skew) <= gap_ns for skew in skews) / len(skews),
        lag_ms=max(0, lags[int(0.99 * (len(lags) - 1))]) / 1e6,
    )


def _apart(rgb: Heard, depth: Heard, gap_ns: int) -> Together:
    """Return how far apart the stamps of two clocks are, by when the images arrive."""
    of_rgb, of_depth = (
        median(s - a for s, a in zip(heard.stamps_ns, heard.arrivals_ns, strict=True))
        for heard in (rgb, depth)
    )
    return Together(
        gap_ms=gap_ns / 1e6,
        skew_ms=(of_depth - of_rgb) / 1e6,
        is_steady=True,
        paired_share=0.0,
        lag_ms=0.0,
    )


def _nearest(ordered: list[int], value: int) -> int:
    """Return the place of the number nearest to `value`."""
    right = bisect_left(ordered, value)
    near = [place for place in (right - 1, right) if 0 <= place < len(ordered)]
    return min(near, key=lambda place: abs(ordered[place] - value))
