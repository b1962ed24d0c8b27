"""One of the two streams as it arrives: the order of its stamps, its rhythm and its silence."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import auto, Enum
from typing import TYPE_CHECKING

from m3l_core.stream.health import HealthRecord
from m3l_core.stream.period import PeriodEstimator
from m3l_core.stream.taken import InputStatistics

if TYPE_CHECKING:
    from m3l_core.frames import Modality

_STALE_AT_LEAST_NS = 300_000_000
_JUMP_AT_LEAST_NS = 250_000_000
"""Set back by more is a clock that jumped; images are not swapped over so long a time."""


@dataclass(frozen=True, eq=False)
class Arrival:
    """One image that arrived.

    Attributes:
        modality: The stream it belongs to.
        image: The image, never looked into.
        stamp_ns: Its header stamp as it came.
        time_ns: What it pairs by: the stamp with its offset, or the receive time.
        arrival_ns: When it arrived, in steady time.
        is_fallback: Whether it is depth that is not registered to RGB.
    """

    modality: Modality
    image: object
    stamp_ns: int
    time_ns: int
    arrival_ns: int
    is_fallback: bool = False


class Order(Enum):
    """How a stamp follows the newest one of its stream."""

    NEXT = auto()
    BEHIND = auto()
    JUMPED_BACK = auto()


class Source:
    """What is known of one stream from its arrivals alone."""

    def __init__(self) -> None:
        self.configured_stale_ns = 0
        """Silence after which the stream is lost, at least 2.5 measured periods; 0 takes four,
        at least 0.3 s."""
        self._newest_ns: int | None = None
        self.received = 0
        self.zero_stamps = 0
        self.drops: Counter[str] = Counter()
        self.content = HealthRecord()
        """What its images turned out to be."""
        self.restart()

    def restart(self) -> None:
        """Forget the stream, but not its counts."""
        self.period = PeriodEstimator()
        self.last_ns: int | None = None
        """Arrival of the last image that came in order; stuck stamps are no life."""
        self.heard_ns: int | None = None
        """Arrival of the last image, whatever its stamp."""
        self.running_since_ns: int | None = None
        """Arrival that ended the last gap of more than 2.5 periods."""
        self.run_length = 0
        """Images since then."""
        self.back_ns = 0
        """Arrival that ended the last silence for which the stream was stale."""
        self.content.restart()
        self.forget_stamps()

    def forget_stamps(self) -> None:
        """Let the next stamp be anything, without forgetting that the stream lives."""
        self._newest_ns = None

    def shift_stamps(self, by_ns: int) -> None:
        """Follow a change of what is added to the stamps."""
        if self._newest_ns is not None:
            self._newest_ns += by_ns

    def leap(self, by_ns: int) -> None:
        """Leave out a time of which nothing is known."""
        if self.last_ns is not None and self.running_since_ns is not None:
            self.last_ns += by_ns
            self.running_since_ns += by_ns
        if self.heard_ns is not None:
            self.heard_ns += by_ns

    def hear(self, now_ns: int) -> None:
        """Note an image, in order or not."""
        self.received += 1
        self.heard_ns = now_ns

    def order(self, time_ns: int) -> Order:
        """Return how a stamp follows: a bag that starts again jumps, a swapped image does not."""
        if self._newest_ns is None or time_ns > self._newest_ns:
            return Order.NEXT
        jump_ns = max(_JUMP_AT_LEAST_NS, 3 * (self.period.stamp_ns or 0))
        return Order.JUMPED_BACK if self._newest_ns - time_ns > jump_ns else Order.BEHIND

    def accept(self, time_ns: int, now_ns: int) -> None:
        """Note an image that came in order."""
        if self.last_ns is None or not self.is_coming(now_ns):
            self.running_since_ns = now_ns
            self.run_length = 0
        if self.last_ns is not None and now_ns - self.last_ns > self.stale_after_ns:
            self.back_ns = now_ns
        self.run_length += 1
        if self.last_ns is not None and self._newest_ns is not None:
            self.period.learn(time_ns - self._newest_ns, now_ns - self.last_ns)
        self._newest_ns = time_ns
        self.last_ns = now_ns

    @property
    def stale_after_ns(self) -> int:
        """Silence after which this stream is stale; never so short as to be in its rhythm."""
        known = self.period.arrival_ns
        if self.configured_stale_ns:
            return max(self.configured_stale_ns, _rest_ns(known) if known else _STALE_AT_LEAST_NS)
        return max(_STALE_AT_LEAST_NS, 4 * (known or 0))

    @property
    def missed_after_ns(self) -> int:
        """Silence in which this stream has missed three of its images."""
        known = self.period.arrival_ns
        return min(self.stale_after_ns, 3 * known) if known else self.stale_after_ns

    @property
    def judged_from_ns(self) -> int:
        """When the silence of the *other* stream means something again.

        After the whole machine stalled, one stream is the first to be delivered. Two of its
        periods must pass before the other one's absence is the camera's and not the machine's.
        """
        if self.running_since_ns is None:
            return 0
        return self.running_since_ns + 2 * (self.period.arrival_ns or 0)

    def is_coming(self, now_ns: int) -> bool:
        """Return whether the stream is in its rhythm: no silence of more than 2.5 periods."""
        if self.last_ns is None:
            return False
        known = self.period.arrival_ns
        return now_ns - self.last_ns <= (_rest_ns(known) if known else self.stale_after_ns)

    def statistics(self, now_ns: int) -> InputStatistics:
        """Return the counts of this stream."""
        return InputStatistics(
            received=self.received,
            period_ns=self.period.arrival_ns,
            age_ns=None if self.last_ns is None else now_ns - self.last_ns,
            heard_age_ns=None if self.heard_ns is None else now_ns - self.heard_ns,
            drops=dict(self.drops),
            zero_stamps=self.zero_stamps,
            health=self.content.latest.fault,
            sick=self.content.sick,
        )


def _rest_ns(period_ns: int) -> int:
    """Return the longest silence of a stream that comes: one image may be lost, and jitter."""
    return 5 * period_ns // 2
