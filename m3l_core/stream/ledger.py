"""What became of every image: taken, or dropped for a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from m3l_core.stream.taken import StreamStatistics

if TYPE_CHECKING:
    from collections.abc import Iterable

    from m3l_core.stream.pairing import Resolved
    from m3l_core.stream.source import Arrival
    from m3l_core.stream.watch import Watch


class Ledger:
    """Counts what is dropped with its stream, and tells all that is known of the streams.

    Args:
        watch: The streams.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self.pairs = 0
        self.lone = 0

    def drop(self, frames: Iterable[Resolved], reason: str) -> None:
        """Count frames that nobody will label."""
        for frame in frames:
            self.drop_images((frame.anchor, frame.partner), reason)

    def drop_images(self, images: Iterable[Arrival | None], reason: str) -> None:
        """Count images that become no label; None is none."""
        for image in images:
            if image is not None:
                self._watch.source_of(image).drops[reason] += 1

    def statistics(self, now_ns: int) -> StreamStatistics:
        """Return the counts so far, and what was learned."""
        rhythm = self._watch.rhythm(now_ns)
        coupling = self._watch.coupling
        skew = coupling.typical_skew(now_ns)
        return StreamStatistics(
            rgb=self._watch.rgb.statistics(now_ns),
            depth=self._watch.depth.statistics(now_ns),
            fallback=self._watch.fallback.statistics(now_ns),
            pairs=self.pairs,
            lone=self.lone,
            gap_ns=rhythm.gap_ns,
            lag_ns=coupling.lag.p99_ns,
            wait_ns=rhythm.wait_ns,
            skew_ns=None if skew is None else skew.typical_ns,
            offset_ns=coupling.offset_ns(skew),
        )
