"""The stream, shared under one lock by the subscriptions and the inference thread."""

from __future__ import annotations

from threading import Condition
from typing import TYPE_CHECKING

from m3l_core.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from m3l_core.frames import Modality
    from m3l_core.stream import Finding, StreamConfig, StreamStatistics, Taken, Transition

_SIMULATED_WAIT_S = 0.01
"""How often a deadline is looked at under a simulated clock, whose pace nobody knows."""

_SHORTEST_WAIT_S = 0.001


class Inbox:
    """Hands messages from the subscriptions to the one thread that labels them.

    Args:
        config: What the stream is told.
        clock: Arrival time in nanoseconds: steady, or the simulated one.
        is_simulated: Whether that clock is simulated now.
        on_transition: Told each change of mode, in order, under the lock.
    """

    def __init__(
        self,
        config: StreamConfig,
        *,
        clock: Callable[[], int],
        is_simulated: Callable[[], bool],
        on_transition: Callable[[Transition], None],
    ) -> None:
        self._stream = Stream(config)
        self._clock = clock
        self._is_simulated = is_simulated
        self._on_transition = on_transition
        self._changed = Condition()
        self._latest_ns = 0
        self._is_open = False
        self.is_closed = False

    def open(self) -> None:
        """Start afresh: from now on messages are kept and given out."""
        with self._changed:
            self._stream.reset('activated: images are listened to again')
            self._is_open = True
            self._tell(self._now())
            self._changed.notify()

    def pause(self) -> None:
        """Give nothing out until opened again."""
        with self._changed:
            self._is_open = False

    def close(self) -> None:
        """Send the waiting thread home; final."""
        with self._changed:
            self.is_closed = True
            self._changed.notify_all()

    def add(self, modality: Modality, message: object, *, stamp_ns: int) -> None:
        """Keep an image that arrives now."""
        with self._changed:
            if self._is_open:
                now_ns = self._now()
                self._stream.add(modality, message, stamp_ns=stamp_ns, now_ns=now_ns)
                self._tell_and_wake(now_ns)

    def add_fallback(self, message: object, *, stamp_ns: int) -> None:
        """Keep an unregistered depth image that arrives now, in case nothing else comes."""
        with self._changed:
            if self._is_open:
                now_ns = self._now()
                self._stream.add_fallback(message, stamp_ns=stamp_ns, now_ns=now_ns)
                self._tell_and_wake(now_ns)

    def note_content(self, taken: Taken, findings: Mapping[Modality, Finding]) -> None:
        """Tell the stream what the images that were taken last turned out to show."""
        with self._changed:
            if self._is_open:
                now_ns = self._now()
                for modality, finding in findings.items():
                    self._stream.note_content(
                        modality, finding, now_ns=now_ns, is_fallback=taken.is_fallback
                    )
                self._tell(now_ns)

    def take(self) -> Taken | None:
        """Wait for what is best to label next; None when the inbox is closed."""
        with self._changed:
            while not self.is_closed:
                wait_s = None
                if self._is_open:
                    now_ns = self._now()
                    taken = self._stream.take(now_ns)
                    self._tell(now_ns)
                    if taken is not None:
                        return taken
                    wait_s = self._until_next(now_ns)
                self._changed.wait(wait_s)
            return None

    def reconfigure(self, config: StreamConfig) -> None:
        """Go on with other settings."""
        with self._changed:
            self._stream.reconfigure(config)
            self._changed.notify()  # what the thread waits for may be due sooner

    def statistics(self) -> StreamStatistics:
        """Return what the stream has counted and measured up to now."""
        with self._changed:
            now_ns = self._now()
            self._tell(now_ns)
            return self._stream.statistics(now_ns)

    def _now(self) -> int:
        now_ns = self._clock()
        if now_ns < self._latest_ns:  # A looped bag or a restarted simulation: start afresh.
            self._stream.reset()
        self._latest_ns = now_ns
        return now_ns

    def _tell_and_wake(self, now_ns: int) -> None:
        self._tell(now_ns)
        self._changed.notify()

    def _tell(self, now_ns: int) -> None:
        for transition in self._stream.tick(now_ns):
            self._on_transition(transition)

    def _until_next(self, now_ns: int) -> float | None:
        wake_ns = self._stream.wake_at(now_ns)
        if wake_ns is None:
            return None
        wait_s = max((wake_ns - now_ns) / 1e9, _SHORTEST_WAIT_S)
        return min(wait_s, _SIMULATED_WAIT_S) if self._is_simulated() else wait_s
