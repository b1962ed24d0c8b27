"""When labels came: gaps between them, latencies, and how long each mode lasted."""

from __future__ import annotations

from collections import Counter
import heapq
from typing import Any, TYPE_CHECKING

from m3l_core.stream import Mode

if TYPE_CHECKING:
    from m3l_core.replay.faults import Fault
    from m3l_core.stream import Transition

_MOST_GAPS = 200
_GAP_PERIODS = 3
"""A time without labels is a gap worth a line from so many usual ones on."""

_SETTLED_NS = 2_000_000_000
"""How long after a fault began a gap may begin and still be its doing."""

_TENTHS = 10
"""Times are counted to 0.1 ms, so that what is kept does not grow with the bag."""


class Histogram:
    """Counts of times, to a tenth of a millisecond."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def add(self, time_ms: float) -> None:
        """Count one."""
        self._counts[round(time_ms * _TENTHS)] += 1

    def add_dict(self, counted: dict[str, Any]) -> None:
        """Count the times of another run, from `to_dict`."""
        for tenths, number in counted['tenths'].items():
            self._counts[int(tenths)] += number

    def percentile(self, share: float) -> float | None:
        """Return the smallest time in ms that `share` of all do not exceed."""
        wanted = share * self._counts.total()
        seen = 0
        for tenths in sorted(self._counts):
            seen += self._counts[tenths]
            if seen >= wanted:
                return tenths / _TENTHS
        return None

    def to_dict(self) -> dict[str, Any]:
        """Return percentiles and counts for JSON."""
        histogram: Counter[int] = Counter()
        for tenths, number in self._counts.items():
            histogram[tenths // _TENTHS] += number
        return {
            'p50_ms': self.percentile(0.5),
            'p99_ms': self.percentile(0.99),
            'max_ms': self.percentile(1.0),
            'histogram': {str(ms): histogram[ms] for ms in sorted(histogram)},
            'tenths': {str(tenths): self._counts[tenths] for tenths in sorted(self._counts)},
        }


class FaultGap:
    """The longest time without a label that one fault brought about."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.longest_ns = 0

    def note(self, start_ns: int, end_ns: int) -> None:
        """Note a time without a label."""
        fault = self.fault
        if end_ns > fault.start_ns and start_ns < min(fault.start_ns + _SETTLED_NS, fault.end_ns):
            self.longest_ns = max(self.longest_ns, end_ns - start_ns)


class Timing:
    """Follows labels and modes along the bag's clock.

    Args:
        start_ns: When the first image arrives.
        faults: What happens when.
    """

    def __init__(self, start_ns: int, faults: list[Fault]) -> None:
        self._start_ns = start_ns
        self._last_label_ns = start_ns
        self._gaps: list[tuple[int, int]] = []
        self._periods = Histogram()
        self._faults = [FaultGap(fault) for fault in faults]
        self._modes: list[tuple[int, str]] = [(start_ns, Mode.NO_INPUT.value)]
        self.latencies = Histogram()
        self.transitions: list[dict[str, Any]] = []

    def on_label(self, labeled_ns: int, latency_ms: float) -> None:
        """Note that labels came."""
        self._note_gap(labeled_ns)
        self._periods.add((labeled_ns - self._last_label_ns) / 1e6)
        self._last_label_ns = labeled_ns
        self.latencies.add(latency_ms)

    def on_transition(self, transition: Transition) -> dict[str, Any]:
        """Note a change of mode; return it for a record."""
        at_ns = max(transition.at_ns, self._start_ns)
        self._modes.append((at_ns, transition.mode.value))
        record = {
            'at_s': _seconds(at_ns - self._start_ns),
            'mode': transition.mode.value,
            'previous': transition.previous.value,
            'reason': transition.reason,
        }
        self.transitions.append(record)
        return {'type': 'transition', **record}

    def to_dict(self, end_ns: int) -> dict[str, Any]:
        """Return gaps, latencies, modes and faults for JSON.

        Args:
            end_ns: When the last image arrived.
        """
        if end_ns > self._last_label_ns:
            self._note_gap(end_ns)
        usual_ns = 1e6 * (self._periods.percentile(0.5) or 0)
        gaps = sorted(gap for gap in self._gaps if gap[1] - gap[0] > _GAP_PERIODS * usual_ns)
        longest = max((last - first for first, last in self._gaps), default=None)
        return {
            'mode_seconds': self._mode_seconds(end_ns),
            'transitions': self.transitions,
            'gaps': [
                {
                    'start_s': _seconds(first - self._start_ns),
                    'end_s': _seconds(last - self._start_ns),
                    'seconds': _seconds(last - first),
                }
                for first, last in gaps
            ],
            'longest_gap_s': _seconds(longest),
            'latency': self.latencies.to_dict(),
            'faults': [self._of_fault(gap, end_ns) for gap in self._faults],
        }

    def _mode_seconds(self, end_ns: int) -> dict[str, float | None]:
        times: Counter[str] = Counter()
        ends = [at_ns for at_ns, _ in self._modes[1:]] + [end_ns]
        for (at_ns, mode), until_ns in zip(self._modes, ends, strict=True):
            times[mode] += max(until_ns - at_ns, 0)
        return {mode: _seconds(ns) for mode, ns in sorted(times.items())}

    def _of_fault(self, gap: FaultGap, end_ns: int) -> dict[str, Any]:
        fault = gap.fault
        switch_ns = recovery_ns = None
        if fault.end_ns <= end_ns:
            recovery_ns = self._first(Mode.RGBD.value, fault.end_ns)
        if fault.expected_mode is not None:
            switch_ns = self._first(fault.expected_mode, fault.start_ns, fault.end_ns)
        return {
            **fault.to_dict(self._start_ns),
            'expected_mode': fault.expected_mode,
            'switch_s': _seconds(switch_ns),
            'recovery_s': _seconds(recovery_ns),
            'longest_gap_s': _seconds(gap.longest_ns),
        }

    def _first(self, mode: str, from_ns: int, before_ns: int | None = None) -> int | None:
        """Return how long after a time a mode was in force; None if not before another time."""
        for index, (at_ns, name) in enumerate(self._modes):
            until_ns = self._modes[index + 1][0] if index + 1 < len(self._modes) else None
            if name == mode and (until_ns is None or until_ns > from_ns):
                is_early = before_ns is None or at_ns < before_ns
                return max(at_ns - from_ns, 0) if is_early else None
        return None

    def _note_gap(self, until_ns: int) -> None:
        gap = (self._last_label_ns, until_ns)
        for fault in self._faults:
            fault.note(*gap)
        self._gaps.append(gap)
        if len(self._gaps) > 2 * _MOST_GAPS:
            self._gaps = heapq.nlargest(_MOST_GAPS, self._gaps, key=lambda g: g[1] - g[0])


def _seconds(ns: int | None) -> float | None:
    return None if ns is None else round(ns / 1e9, 6)
