"""How fast a stream comes and how late its partner is, learned from what arrives."""

from __future__ import annotations

from collections import deque
from itertools import islice
from statistics import fmean, median

_WINDOW = 32
"""Steps remembered: a second at 30 Hz, so that a changed rate is learned within a second."""

_STAMPS_KNOWN_AFTER = 3
"""Steps before a median of stamps says more than a guess."""

_RATE_KNOWN_AFTER = 8
"""Steps before arrivals may run faster than stamps: a first burst proves no fast playback."""

_OUTAGE_NS = 300_000_000
_OUTAGES_THAT_ARE_A_RATE = 3

SHORTEST_NS = 2_000_000
"""No camera is faster than 500 Hz; bounds what bursts without stamps may teach."""


class PeriodEstimator:
    """Learns the period of one stream, in its stamps and in its arrivals.

    The stamp period is the median step of the last 32 stamps, which jitter, single losses and
    jumps do not move. Arrivals come in bursts on a busy machine, so their period is not measured
    from step to step: it is the stamp period times the ratio of the time that passed to the
    stamps that passed over the same steps, which is the playback rate of a bag and 1 for a
    camera. An outage or a leap of the stamps is no step; three in a row are a slower stream,
    learned afresh.
    """

    def __init__(self) -> None:
        self._steps: deque[tuple[int, int]] = deque(maxlen=_WINDOW)
        self._outages = 0
        self.stamp_ns: int | None = None
        """Median time between stamps, or None until three steps were seen."""
        self.arrival_ns: int | None = None
        """Time between arrivals, or None until one step was seen."""

    def learn(self, stamp_step_ns: int, arrival_step_ns: int) -> None:
        """Take in the step from one image to the next: of the stamps, and of the arrivals."""
        if self._is_outage(stamp_step_ns, arrival_step_ns):
            self._outages += 1
            if self._outages < _OUTAGES_THAT_ARE_A_RATE:
                return
            self._steps.clear()
        self._outages = 0
        self._steps.append((stamp_step_ns, arrival_step_ns))
        self._measure()

    def _is_outage(self, stamp_step_ns: int, arrival_step_ns: int) -> bool:
        """Return whether a step is longer than the stream's rhythm explains."""
        return any(
            known is not None and step > max(_OUTAGE_NS, 5 * known // 2)
            for step, known in (
                (stamp_step_ns, self.stamp_ns),
                (arrival_step_ns, self.arrival_ns),
            )
        )

    def _measure(self) -> None:
        stamps = [step for step, _ in self._steps]
        mean = fmean(stamps)
        middle = median(stamps)
        # Without stamps the steps are those of the arrivals, and in bursts most of them are 0.
        period = max(middle if middle > mean / 3 else mean, SHORTEST_NS)
        rate = fmean(step for _, step in self._steps) / max(mean, 1)
        if len(self._steps) < _RATE_KNOWN_AFTER:
            rate = max(rate, 1.0)
        self.stamp_ns = round(period) if len(self._steps) >= _STAMPS_KNOWN_AFTER else None
        self.arrival_ns = max(round(period * rate), SHORTEST_NS)


_LAGS = 128
_RECENT_LAGS = 32
_WAIT_KNOWN_AFTER = 20
_LATE_KNOWN_AFTER = 10

_LATE_SHARE = 0.75
"""Fewer partners in time than this are too few: RGBD ends below a half of them, and what comes
near that would come and go."""

_IN_TIME_SHARE = 0.9


class LagEstimator:
    """Learns how long after an anchor its partner arrives.

    Each pair teaches one lag (0 when the partner came first). So does a partner that came too
    late, measured against the anchor that went out without it: otherwise a wait that has become
    too short could never grow again. The 99th percentile is that of the last 128 lags.
    """

    def __init__(self) -> None:
        self._lags: deque[int] = deque(maxlen=_LAGS)
        self._late = False
        self.p99_ns: int | None = None
        """99th percentile of the lag, or None until 20 lags were seen."""
        self.typical_ns: int | None = None
        """Three in four of the last 32 lags are at most this; None until 10 lags were seen."""

    def learn(self, lag_ns: int) -> None:
        """Take in the arrival of a partner minus the arrival of its anchor."""
        self._lags.append(max(lag_ns, 0))
        if len(self._lags) >= _WAIT_KNOWN_AFTER:
            self.p99_ns = _quantile(sorted(self._lags), 0.99)
        if len(self._lags) >= _LATE_KNOWN_AFTER:
            self.typical_ns = _quantile(self._recent(), _LATE_SHARE)

    def is_late(self, limit_ns: int) -> bool:
        """Return whether waiting up to the limit is in vain.

        Late is depth of which more than one image in four comes after the limit; in time again is
        depth of which nine in ten come within it. Between the two the last verdict stands, so
        that a lag close to the limit does not make the verdict flicker.
        """
        if self.typical_ns is None:
            return False
        if self.typical_ns > limit_ns:
            self._late = True
        elif self._late:
            self._late = _quantile(self._recent(), _IN_TIME_SHARE) > limit_ns
        return self._late

    def _recent(self) -> list[int]:
        return sorted(islice(reversed(self._lags), _RECENT_LAGS))


def _quantile(ordered: list[int], share: float) -> int:
    """Return the value that at least this share of the values does not exceed."""
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]
