"""The bag's clock: drives a stream as the node's threads do, and waits for nothing.

Whatever the engine really takes, its time on this clock is what it is told to be: nothing (every
frame is labeled), a given latency, or what was measured.
"""

from __future__ import annotations

from typing import Protocol, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from m3l_core.replay.arrivals import Arrival
    from m3l_core.stream import Stream, Taken, Transition

_LONGEST_DRAIN_NS = 250_000_000
"""Images that wait when the bag ends are labeled still, but no stream is called stale for it."""


class Listener(Protocol):
    """What the clock drives."""

    def on_taken(self, taken: Taken, now_ns: int) -> int:
        """Label a frame; return for how many nanoseconds of the bag the engine is busy."""

    def on_transition(self, transition: Transition) -> None:
        """The mode changed."""


def simulate(
    arrivals: Iterable[Arrival], stream: Stream, listener: Listener, *, drain_ns: int
) -> None:
    """Feed a stream its images at their times, and take from it whenever the engine is free.

    Args:
        arrivals: In the order of their receive times.
        stream: A new one.
        listener: Who labels, and is told.
        drain_ns: How long images may still wait after the last one arrived.
    """
    clock = _Clock(stream, listener)
    for arrival in arrivals:
        clock.run_until(arrival.receive_ns)
        clock.add(arrival)
    clock.run_until(clock.now_ns + min(drain_ns, _LONGEST_DRAIN_NS))


class _Clock:
    """Steps from one moment at which something may happen to the next."""

    def __init__(self, stream: Stream, listener: Listener) -> None:
        self._stream = stream
        self._listener = listener
        self._free_ns = 0
        self.now_ns = 0

    def add(self, arrival: Arrival) -> None:
        """Let an image arrive at its time."""
        self.now_ns = max(self.now_ns, arrival.receive_ns)
        stamp_ns = arrival.stamp_ns
        if arrival.is_fallback:
            self._stream.add_fallback(arrival, stamp_ns=stamp_ns, now_ns=self.now_ns)
        else:
            self._stream.add(arrival.modality, arrival, stamp_ns=stamp_ns, now_ns=self.now_ns)
        self._tell()
        self._take()

    def run_until(self, end_ns: int) -> None:
        """Do what comes before `end_ns`: the engine becomes free, or a wait is over."""
        while (next_ns := self._next_ns()) is not None and next_ns < end_ns:
            self.now_ns = next_ns
            self._take()

    def _next_ns(self) -> int | None:
        if self._free_ns > self.now_ns:  # A busy engine asks for nothing, as in the node.
            return self._free_ns
        wake_ns = self._stream.wake_at(self.now_ns)
        return None if wake_ns is None else max(wake_ns, self.now_ns + 1)

    def _take(self) -> None:
        """Give the engine what there is until it is busy, or has to wait."""
        while self._free_ns <= self.now_ns:
            taken = self._stream.take(self.now_ns)
            self._tell()
            if taken is None:
                return
            self._free_ns = self.now_ns + self._listener.on_taken(taken, self.now_ns)
            self._tell()

    def _tell(self) -> None:
        for transition in self._stream.tick(self.now_ns):
            self._listener.on_transition(transition)
