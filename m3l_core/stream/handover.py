"""What is ready to be labeled, and what of it a busy engine gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from m3l_core.stream.pairing import Resolved

_NOT_OLDER_THAN = 1.5
"""Periods a pair may be older than a lone frame and still go first; half a period is jitter."""

_AT_ONCE_NS = 10_000_000
"""What becomes ready within this time does so at one instant: two messages of one moment are two
calls, and a thread that waits must wake up."""


class Handover:
    """Keeps the newest pair and the newest lone frame for an engine that takes when it is free.

    An engine that was already waiting gets everything that became ready at one instant, oldest
    first: when depth misses one image, its anchor is ready only together with the next pair, and
    no frame may be lost to an engine that has time for it. As soon as the engine falls behind,
    only the newest frames stay.
    """

    def __init__(self) -> None:
        self._ready: list[Resolved] = []
        self._engine_waits = False
        self._in_order = False
        self._instant_ns = 0

    def __len__(self) -> int:
        return len(self._ready)

    def offer(self, batch: list[Resolved]) -> list[Resolved]:
        """Take in what became ready now, in order; return what it supersedes."""
        if not batch:
            return []
        if self._engine_waits and not self._ready:
            self._instant_ns = batch[0].at_ns
            self._in_order = True
        elif batch[0].at_ns - self._instant_ns > _AT_ONCE_NS:
            self._in_order = False
        self._ready += batch
        return [] if self._in_order else self._keep_newest()

    def take(self, *, rgbd: bool, period_ns: int) -> tuple[Resolved | None, list[Resolved]]:
        """Return the frame for a free engine, or None, and what it supersedes.

        Args:
            rgbd: Whether the mode is RGBD.
            period_ns: Stamp period of the anchor stream.
        """
        self._engine_waits = not self._ready
        if not self._ready:
            return None, []
        index = 0 if self._in_order else self._newest(rgbd=rgbd, period_ns=period_ns)
        superseded = self._ready[:index]
        frame = self._ready[index]
        self._ready = self._ready[index + 1 :]
        return frame, superseded

    def clear(self) -> list[Resolved]:
        """Return and forget everything that is ready."""
        ready, self._ready = self._ready, []
        return ready

    def _newest(self, *, rgbd: bool, period_ns: int) -> int:
        """Return the index of the newest frame, or while RGBD of a pair that is hardly older."""
        last = len(self._ready) - 1
        if not rgbd:
            return last
        newest = self._ready[last].anchor.time_ns
        return next(
            (
                index
                for index in range(last, -1, -1)
                if self._ready[index].partner is not None
                and newest - self._ready[index].anchor.time_ns <= _NOT_OLDER_THAN * period_ns
            ),
            last,
        )

    def _keep_newest(self) -> list[Resolved]:
        """Keep the newest pair and the newest lone frame; return the others."""
        keep = {
            max(
                (i for i, ready in enumerate(self._ready) if (ready.partner is None) is lone),
                default=-1,
            )
            for lone in (True, False)
        }
        superseded = [ready for i, ready in enumerate(self._ready) if i not in keep]
        self._ready = [ready for i, ready in enumerate(self._ready) if i in keep]
        return superseded
