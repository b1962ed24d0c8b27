"""Which depth image belongs to which RGB image, and when waiting for it has become vain."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from m3l_core.stream.rhythm import comes_nearer

if TYPE_CHECKING:
    from m3l_core.stream.rhythm import Rhythm
    from m3l_core.stream.source import Arrival

_MOST_KEPT = 32
"""Images kept per stream: 0.15 s of waiting at 200 Hz. Bounds memory whatever arrives."""

_TIMES_KEPT = 256
"""Stamps remembered without their images, to recognize late partners: 8 s at 30 Hz."""

_LATEST_NS = 2_000_000_000
"""A partner that comes later is none: as long as `pair_wait_max` may be, and no transport takes
so long. It is a clock that is off."""


@dataclass(frozen=True, eq=False)
class Resolved:
    """An anchor that waits no longer.

    Attributes:
        anchor: The image whose stamp the labels get.
        partner: The depth image that belongs to it, or None.
        at_ns: When this was known.
        reason: `paired`, or why there is no partner.
        was_due: Whether depth, at its own rate, owed this anchor a partner.
    """

    anchor: Arrival
    partner: Arrival | None
    at_ns: int
    reason: str
    was_due: bool = True


class Pairing:
    """Holds RGB images until their depth image came or cannot come, and depth images likewise.

    The nearest stamps pair, so an image does not pair while one clearly nearer to its candidate
    is due by the other stream's period: with a generous gap, one lost image would otherwise
    shift every later pair.
    """

    def __init__(self) -> None:
        self._waiting: deque[Arrival] = deque()
        self._partners: list[Arrival] = []
        self._anchor_newest_ns: int | None = None
        self._used_ns: int | None = None
        self._partner_times: deque[int] = deque(maxlen=_TIMES_KEPT)
        self._lone: deque[tuple[int, int]] = deque(maxlen=_TIMES_KEPT)
        """Stamp and arrival of anchors that found no partner."""

    def add_anchor(self, rgb: Arrival) -> None:
        """Take in the next RGB image."""
        self._waiting.append(rgb)
        self._anchor_newest_ns = rgb.time_ns

    def add_partner(self, depth: Arrival) -> None:
        """Take in the next depth image."""
        self._partners.append(depth)
        self._partner_times.append(depth.time_ns)

    @property
    def is_waiting(self) -> bool:
        """Whether an RGB image still waits."""
        return bool(self._waiting)

    @property
    def held(self) -> int:
        """How many images are held."""
        return len(self._waiting) + len(self._partners)

    def deadline_ns(self, rhythm: Rhythm) -> int | None:
        """Return when the oldest waiting anchor stops waiting."""
        return self._waiting[0].arrival_ns + rhythm.wait_ns if self._waiting else None

    def resolve(self, now_ns: int, rhythm: Rhythm) -> list[Resolved]:
        """Return the anchors that wait no longer, in order."""
        pairs = self._pairs(now_ns, rhythm)
        # Labels come out in order, so nothing before the last pair can wait any longer.
        must = max((i for i, rgb in enumerate(self._waiting) if rgb in pairs), default=-1)
        resolved: list[Resolved] = []
        while self._waiting:
            rgb = self._waiting[0]
            if rgb in pairs:
                reason = 'paired'
            elif len(resolved) < must or self._is_past(rgb, rhythm):
                reason = 'no_partner'
            elif self._is_over(rgb, now_ns, rhythm) or len(self._waiting) > _MOST_KEPT:
                reason = rhythm.vain or 'deadline'
            else:
                break
            resolved.append(self._release(pairs.get(rgb), now_ns, reason, rhythm))
        return resolved

    def flush(self, now_ns: int, rhythm: Rhythm) -> list[Resolved]:
        """Return every waiting anchor without a partner: the clock it pairs by is gone."""
        resolved: list[Resolved] = []
        while self._waiting:
            resolved.append(self._release(None, now_ns, 'clock_jump', rhythm))
        self._anchor_newest_ns = None
        self._lone.clear()
        return resolved

    def forget_partners(self) -> list[Arrival]:
        """Return and forget every depth image held: the clock they pair by is gone."""
        dropped = self._partners
        self._partners = []
        self._used_ns = None
        self._partner_times.clear()
        self._lone.clear()
        return dropped

    def shift_partners(self, by_ns: int) -> None:
        """Follow a change of what is added to the stamps of depth."""
        self._partners = [
            replace(depth, time_ns=depth.time_ns + by_ns) for depth in self._partners
        ]
        self._partner_times = deque((at + by_ns for at in self._partner_times), _TIMES_KEPT)
        if self._used_ns is not None:
            self._used_ns += by_ns

    def hand_over_partners(self) -> tuple[Arrival | None, list[Arrival]]:
        """Return the newest depth image, if it is unused, and the others; hold them no more."""
        unused, self._partners = self._partners, []
        if not unused or (self._used_ns is not None and unused[-1].time_ns < self._used_ns):
            return None, unused
        return unused[-1], unused[:-1]

    def drop_useless(self, rhythm: Rhythm) -> tuple[list[Arrival], list[Arrival]]:
        """Return depth images that no anchor can need, and those that are too many.

        The newest depth image always stays: depth starts with it when RGB dies.
        """
        oldest = self._waiting[0].time_ns if self._waiting else self._anchor_newest_ns
        useless: list[Arrival] = []
        while oldest is not None and len(self._partners) > 1:
            if self._partners[0].time_ns + rhythm.gap_ns >= oldest:
                break
            useless.append(self._partners.pop(0))
        surplus = self._partners[:-_MOST_KEPT]
        self._partners = self._partners[-_MOST_KEPT:]
        return useless, surplus

    def lag_of_late(self, depth: Arrival, rhythm: Rhythm) -> int | None:
        """Return how long after its anchor an unused depth image came, had the anchor waited."""
        if depth not in self._partners or not self._lone:
            return None
        after = bisect_left(self._lone, (depth.time_ns,))
        around = [self._lone[i] for i in (after - 1, after) if 0 <= i < len(self._lone)]
        time_ns, arrival_ns = min(around, key=lambda rgb: abs(rgb[0] - depth.time_ns))
        lag_ns = depth.arrival_ns - arrival_ns
        is_partner = abs(time_ns - depth.time_ns) <= rhythm.gap_ns and lag_ns <= _LATEST_NS
        return lag_ns if is_partner else None

    def _pairs(self, now_ns: int, rhythm: Rhythm) -> dict[Arrival, Arrival]:
        """Return the partner of each anchor that can have one now, nearest stamps first."""
        times = [depth.time_ns for depth in self._partners]
        # One that was overtaken by a used one stays lone, or every later pair would shift.
        first = 0 if self._used_ns is None else bisect_right(times, self._used_ns)
        near = sorted(
            (
                (abs(times[j] - rgb.time_ns), i, j)
                for i, rgb in enumerate(self._waiting)
                for j in range(
                    max(first, bisect_left(times, rgb.time_ns - rhythm.gap_ns)),
                    bisect_right(times, rgb.time_ns + rhythm.gap_ns),
                )
            ),
        )
        chosen: dict[int, int] = {}
        for gap_ns, i, j in near:
            crosses = any((i - k) * (j - m) <= 0 for k, m in chosen.items())
            if not crosses and not self._better_is_due(i, j, gap_ns, now_ns, rhythm):
                chosen[i] = j
        return {self._waiting[i]: self._partners[j] for i, j in chosen.items()}

    def _better_is_due(self, i: int, j: int, gap_ns: int, now_ns: int, rhythm: Rhythm) -> bool:
        """Whether one of two images has a clearly nearer partner to expect."""
        rgb, depth = self._waiting[i], self._partners[j]
        if comes_nearer(depth.time_ns, gap_ns, self._anchor_newest_ns, rhythm.rgb_ns):
            return True
        newest = self._partner_times[-1] if self._partner_times else None
        return not self._is_over(rgb, now_ns, rhythm) and comes_nearer(
            rgb.time_ns, gap_ns, newest, rhythm.depth_ns
        )

    def _release(
        self, depth: Arrival | None, now_ns: int, reason: str, rhythm: Rhythm
    ) -> Resolved:
        rgb = self._waiting.popleft()
        if depth is not None:
            self._partners.remove(depth)
            self._used_ns = depth.time_ns
            return Resolved(rgb, depth, now_ns, reason)
        self._lone.append((rgb.time_ns, rgb.arrival_ns))
        return Resolved(rgb, None, now_ns, reason, self._was_due(rgb, rhythm))

    def _is_past(self, rgb: Arrival, rhythm: Rhythm) -> bool:
        """Whether depth is already beyond this anchor, so that nothing can come any more."""
        newest = self._partner_times[-1] if self._partner_times else None
        return newest is not None and newest > rgb.time_ns + rhythm.gap_ns

    @staticmethod
    def _is_over(rgb: Arrival, now_ns: int, rhythm: Rhythm) -> bool:
        return now_ns >= rgb.arrival_ns + rhythm.wait_ns

    def _was_due(self, rgb: Arrival, rhythm: Rhythm) -> bool:
        """Whether depth, at its own rate and phase, owed this anchor a partner."""
        if not rhythm.rgb_ns or not rhythm.depth_ns:
            return True
        before = bisect_right(self._partner_times, rgb.time_ns + rhythm.gap_ns)
        if not before:
            return True
        since_ns = rgb.time_ns - self._partner_times[before - 1]
        steps = max(1, round(since_ns / rhythm.depth_ns))
        return abs(since_ns - steps * rhythm.depth_ns) <= min(rhythm.rgb_ns / 2, rhythm.gap_ns)
