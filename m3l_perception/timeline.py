"""When a recorded message is due, and which stamp it then has; knows no ROS and no clock."""

from __future__ import annotations

from dataclasses import dataclass
import re
from typing import Literal

from m3l_core.errors import M3lError

Loop = Literal['once', 'continue', 'jump']

_DROP = re.compile(r'(?P<what>.+):(?P<first>\d+(\.\d+)?)s?\.\.(?P<last>\d+(\.\d+)?)s?')


@dataclass(frozen=True)
class Drop:
    """A stretch of the bag in which one topic is not played; the end is not part of it."""

    what: str
    first_s: float
    last_s: float

    @classmethod
    def parse(cls, text: str) -> Drop:
        """Return what `depth:3s..6s` says.

        Raises:
            M3lError: If it says nothing of the kind.
        """
        match = _DROP.fullmatch(text)
        if match is not None:
            drop = cls(match['what'], float(match['first']), float(match['last']))
            if drop.first_s < drop.last_s:
                return drop
        raise M3lError(
            f'--drop: expected TOPIC:FROM..TO in seconds, got {text!r}. '
            'Write for example: depth:3s..6s'
        )

    def hides(self, at_ns: int) -> bool:
        """Tell whether a message received `at_ns` after the start of the bag is left out."""
        return self.first_s * 1e9 <= at_ns < self.last_s * 1e9


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """Maps a bag's times to the wall clock.

    Attributes:
        start_ns: Receive time of the bag's first message.
        pass_ns: Time from one pass through the bag to the next.
        origin_ns: Wall time at which the first pass starts.
        rate: How much faster than recorded.
        loop: Whether stamps go on from pass to pass, or jump back to the first.
    """

    start_ns: int
    pass_ns: int
    origin_ns: int
    rate: float
    loop: Loop

    def due_ns(self, receive_ns: int, number: int) -> int:
        """Return the wall time at which a message of pass `number` (from 0) is published."""
        return self._wall(receive_ns, number)

    def stamp_ns(self, stamp_ns: int, number: int) -> int:
        """Return the stamp it then has."""
        return self._wall(stamp_ns, 0 if self.loop == 'jump' else number)

    def pass_at(self, wall_ns: int) -> int:
        """Return the number of the pass that runs at a wall time."""
        if self.loop == 'once':
            return 0
        return max(0, int((wall_ns - self.origin_ns) * self.rate / self.pass_ns))

    def _wall(self, recorded_ns: int, number: int) -> int:
        since_start = recorded_ns - self.start_ns + number * self.pass_ns
        return self.origin_ns + round(since_start / self.rate)
