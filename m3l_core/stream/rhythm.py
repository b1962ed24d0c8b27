"""How both streams go together now: the numbers that pairing and waiting go by."""

from __future__ import annotations

from dataclasses import dataclass

SLOWER = 1.45
"""Depth 1.5 times slower than RGB leaves RGB images for which no depth is due; a little less
decides the same for 30 and 20 Hz whichever way the measured periods err."""

_CLEARLY = 0.1
"""Share of a period by which an image still due must be nearer to be worth waiting for."""

_AUTO_GAP = 0.55
"""Share of a period: half of it reaches any phase between two free-running cameras."""

_AUTO_GAP_MOST_NS = 35_000_000
_USUAL_PERIOD_NS = 33_333_333


@dataclass(frozen=True)
class Rhythm:
    """What pairing needs to know of both streams now.

    Attributes:
        gap_ns: Largest difference of stamps that pairs.
        wait_ns: How long an anchor waits after its arrival.
        vain: Why no partner is waited for, or None: the reason lone anchors get.
        rgb_ns: Stamp period of RGB, or None while unknown.
        depth_ns: Stamp period of depth, or None while unknown.
    """

    gap_ns: int
    wait_ns: int
    vain: str | None
    rgb_ns: int | None
    depth_ns: int | None

    @property
    def depth_is_slower(self) -> bool:
        """Whether so few depth images come that some RGB images have none."""
        return bool(
            self.rgb_ns and self.depth_ns and self.depth_ns > SLOWER * self.rgb_ns,
        )


def auto_gap_ns(rgb_ns: int | None, depth_ns: int | None) -> int:
    """Return the largest gap that pairs by itself; 30 Hz is assumed until a period is known."""
    known = [period for period in (rgb_ns, depth_ns) if period is not None]
    return min(round(_AUTO_GAP * min(known, default=_USUAL_PERIOD_NS)), _AUTO_GAP_MOST_NS)


def comes_nearer(time_ns: int, gap_ns: int, newest_ns: int | None, period_ns: int | None) -> bool:
    """Return whether a stream is due, after its newest stamp, clearly nearer than the gap."""
    if newest_ns is None or period_ns is None:
        return False
    steps = max(1, round((time_ns - newest_ns) / period_ns))
    return abs(newest_ns + steps * period_ns - time_ns) < gap_ns - _CLEARLY * period_ns
