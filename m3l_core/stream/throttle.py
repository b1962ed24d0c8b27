"""How many frames a second are labeled at most; knows no clock of its own."""

from __future__ import annotations

_EARLY_SHARE = 0.1
"""Share of the interval by which a frame may come early: cameras jitter."""


class Throttle:
    """Admits frames at no more than a rate, on average, and the newest whenever it admits one.

    Args:
        max_rate: In frames a second; 0 admits all.
    """

    def __init__(self, max_rate: float) -> None:
        self._interval_ns = round(1e9 / max_rate) if max_rate else 0
        self._due_ns: int | None = None

    def admits(self, at_ns: int) -> bool:
        """Return whether a frame that arrived `at_ns` is to be labeled, and count on it."""
        if not self._interval_ns or self._due_ns is None:
            self._due_ns = at_ns + self._interval_ns
            return True
        early_ns, slack_ns = self._due_ns - at_ns, _EARLY_SHARE * self._interval_ns
        # Earlier than that is a clock that was set back.
        if slack_ns < early_ns <= self._interval_ns + slack_ns:
            return False
        is_on_time = -self._interval_ns < early_ns <= slack_ns
        self._due_ns = (self._due_ns if is_on_time else at_ns) + self._interval_ns
        return True
