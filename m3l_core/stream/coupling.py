"""How RGB and depth go together: what pairs, how long to wait for it, and why it is in vain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from m3l_core.stream.period import LagEstimator
from m3l_core.stream.rhythm import auto_gap_ns, Rhythm
from m3l_core.stream.skew import SkewEstimator

if TYPE_CHECKING:
    from m3l_core.stream.config import StreamConfig
    from m3l_core.stream.skew import Skew
    from m3l_core.stream.source import Source

_WAIT_MARGIN_NS = 10_000_000

_APART_NS = 500_000_000
_APART_PERIODS = 6
"""Time, and periods of the slower stream, in which streams that go together have met."""


class Coupling:
    """Judges lateness and skew of depth, and how long an RGB image waits for it.

    The wait is learned: the 99th percentile of depth's lag plus 10 ms, at most `pair_wait_max`,
    which also holds until 20 lags were seen. There is none while depth is stale, too late or
    never stamped within the gap.

    Args:
        config: The gap, the waits and the offset that are set.
        rgb: The RGB stream.
        depth: The depth stream.
    """

    def __init__(self, config: StreamConfig, rgb: Source, depth: Source) -> None:
        self.config = config
        self._rgb = rgb
        self._depth = depth
        self.skew = SkewEstimator()
        self.restart()

    def restart(self) -> None:
        """Forget what was learned."""
        self.skew.restart()
        self.lag = LagEstimator()
        self._met_ns = 0

    def leap(self, by_ns: int) -> None:
        """Leave out a time of which nothing is known."""
        self._met_ns += by_ns

    def met(self, lag_ns: int, now_ns: int) -> None:
        """Learn from an anchor and its partner, whether it came in time or too late."""
        self.lag.learn(lag_ns)
        self._met_ns = now_ns

    def rhythm(self, now_ns: int, *, depth_is_stale: bool) -> Rhythm:
        """Return the numbers that pairing goes by now."""
        vain = None
        if depth_is_stale:
            vain = 'depth_stale'
        elif self._is_apart(now_ns):
            vain = 'unsynchronised'
        elif self._is_late():
            vain = 'depth_late'
        return Rhythm(
            gap_ns=self._gap_ns(),
            wait_ns=0 if vain else self._wait_ns(),
            vain=vain,
            rgb_ns=self._rgb.period.stamp_ns,
            depth_ns=self._depth.period.stamp_ns,
        )

    def fault(self, now_ns: int) -> str | None:
        """Return why depth cannot be paired although it comes, or None."""
        if self._is_apart(now_ns):
            return f'unsynchronised: {self._skew_in_words(now_ns)}'
        if not self._is_late():
            return None
        name = 'pair_wait' if self.config.pair_wait else 'pair_wait_max'
        lag, limit = (self.lag.typical_ns or 0) / 1e9, self._late_after_s()
        return f'depth_late: depth comes {lag:.3f} s after RGB; raise {name} above {limit:g} s'

    def typical_skew(self, now_ns: int) -> Skew | None:
        """Return how far the stamps of depth are from those of RGB."""
        periods = (self._rgb.period.stamp_ns, self._depth.period.stamp_ns)
        known = [period for period in periods if period is not None]
        if not known:
            return None
        meets = not self._never_met(now_ns)
        return self.skew.skew(gap_ns=self._gap_ns(), period_ns=min(known), meets=meets)

    def offset_ns(self, skew: Skew | None) -> int | None:
        """Return the `depth_stamp_offset` that makes a constant skew vanish, or None."""
        if skew is None or not skew.is_constant:
            return None
        return seconds_ns(self.config.depth_stamp_offset) - skew.typical_ns

    def _is_apart(self, now_ns: int) -> bool:
        """Return whether stamps keep the streams from pairing, and not the loss of images."""
        if not self._never_met(now_ns):
            return False
        skew = self.typical_skew(now_ns)
        return skew is None or abs(skew.typical_ns) > self._gap_ns()

    def _never_met(self, now_ns: int) -> bool:
        """Return whether both streams have been coming and nothing in them belonged together."""
        since = [self._met_ns]
        apart_ns = _APART_NS
        for source in (self._rgb, self._depth):
            if source.running_since_ns is None or not source.is_coming(now_ns):
                return False
            since.append(source.running_since_ns)
            apart_ns = max(apart_ns, _APART_PERIODS * (source.period.arrival_ns or 0))
        return now_ns - max(since) >= apart_ns

    def _skew_in_words(self, now_ns: int) -> str:
        skew = self.typical_skew(now_ns)
        if skew is None:
            return 'no stamp of depth is near one of RGB'
        words = (
            f'depth is stamped {skew.typical_ns / 1e6:+.1f} ms from RGB, '
            f'at most {self._gap_ns() / 1e6:.1f} ms pair; '
        )
        offset_ns = self.offset_ns(skew)
        if offset_ns is None:
            return words + 'it varies: synchronize the clocks of the cameras'
        return words + f'set depth_stamp_offset to {offset_ns / 1e9:.3f}'

    def _gap_ns(self) -> int:
        return seconds_ns(self.config.max_pair_gap) or auto_gap_ns(
            self._rgb.period.stamp_ns, self._depth.period.stamp_ns
        )

    def _late_after_s(self) -> float:
        return self.config.pair_wait or self.config.pair_wait_max

    def _is_late(self) -> bool:
        return self.lag.is_late(seconds_ns(self._late_after_s()))

    def _wait_ns(self) -> int:
        if self.config.pair_wait:
            return seconds_ns(self.config.pair_wait)
        most_ns = seconds_ns(self.config.pair_wait_max)
        learned = self.lag.p99_ns
        return most_ns if learned is None else min(learned + _WAIT_MARGIN_NS, most_ns)


def seconds_ns(seconds: float) -> int:
    """Return a configured time in nanoseconds."""
    return round(seconds * 1e9)
