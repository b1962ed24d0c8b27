"""How well anchors found their partners lately."""

from __future__ import annotations

from collections import deque

_WINDOW_NS = 1_000_000_000
_WINDOW_PERIODS = 4
_MOST_KEPT = 1024

_ENOUGH_SHARE = 1 / 2
"""Share of the partners due that must come for RGBD to stay."""

GOOD_SHARE = 2 / 3
"""Share that must come for RGBD to return; more than stays, so that the mode cannot flicker."""


class PairingRecord:
    """Remembers a second of anchors that depth owed a partner, or four of its slow periods.

    It counts what arrived and paired, never what was taken, so the engine's speed is not in it.
    """

    def __init__(self) -> None:
        self.frames = 1
        """Successive anchors that must have paired to trust depth."""
        self.time_ns = 0
        """Time they must have paired for."""
        self._outcomes: deque[tuple[int, bool]] = deque(maxlen=_MOST_KEPT)
        self._since_ns: int | None = None
        self._streak = 0

    def clear(self) -> None:
        """Start again: what was before says nothing about what comes."""
        self._outcomes.clear()
        self._since_ns = None
        self._streak = 0

    def note(self, *, paired: bool, at_ns: int) -> None:
        """Note an anchor that paired, or one that did not although a partner was due."""
        if self._since_ns is None and not paired:
            return  # Nothing to count until depth begins to pair.
        if self._since_ns is None:
            self._since_ns = at_ns
        self._streak = self._streak + 1 if paired else 0
        self._outcomes.append((at_ns, paired))

    def has_recovered(self, now_ns: int, period_ns: int) -> bool:
        """Return whether enough successive anchors paired, for long enough; silence is no pair."""
        return (
            self._since_ns is not None
            and self.is_recovering(now_ns, period_ns)
            and self._streak >= self.frames
            and self._outcomes[-1][0] - self._since_ns >= self.time_ns
        )

    def is_recovering(self, now_ns: int, period_ns: int) -> bool:
        """Return whether anchors pair, however short the record."""
        return self._share(now_ns, period_ns) >= GOOD_SHARE and bool(self._outcomes)

    def is_poor(self, now_ns: int, period_ns: int) -> bool:
        """Return whether fewer than half of the partners due came in a full window."""
        return (
            self._since_ns is not None
            and now_ns - self._since_ns >= _window_ns(period_ns)
            and self.is_failing(now_ns, period_ns)
        )

    def is_failing(self, now_ns: int, period_ns: int) -> bool:
        """Return whether fewer than half came, however short the record."""
        return self._share(now_ns, period_ns) < _ENOUGH_SHARE

    def _share(self, now_ns: int, period_ns: int) -> float:
        oldest_ns = now_ns - _window_ns(period_ns)
        while self._outcomes and self._outcomes[0][0] <= oldest_ns:
            self._outcomes.popleft()
        paired = sum(paired for _, paired in self._outcomes)
        return paired / len(self._outcomes) if self._outcomes else 1.0


def _window_ns(period_ns: int) -> int:
    return max(_WINDOW_NS, _WINDOW_PERIODS * period_ns)
