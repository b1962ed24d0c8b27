"""What the arrivals of both streams, seen together, say about each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from m3l_core.frames import Modality
from m3l_core.stream.mode import StreamHealth
from m3l_core.stream.period import LagEstimator
from m3l_core.stream.rhythm import auto_gap_ns, Rhythm
from m3l_core.stream.source import Source

if TYPE_CHECKING:
    from m3l_core.stream.config import StreamConfig

_WAIT_MARGIN_NS = 10_000_000


class Watch:
    """Judges silence and lateness of both streams, and how long to wait for a partner.

    The wait is learned: the 99th percentile of depth's lag plus 10 ms, at most `pair_wait_max`,
    which also holds until 20 lags were seen. There is none while depth is stale or too late.
    """

    def __init__(self, config: StreamConfig) -> None:
        self._config = config
        self.rgb = Source(seconds_ns(config.stale_after))
        self.depth = Source(seconds_ns(config.stale_after))
        self.restart()

    def restart(self) -> None:
        """Forget both streams, but not their counts."""
        self.rgb.restart()
        self.depth.restart()
        self.lag = LagEstimator()
        self.started_ns: int | None = None
        """When the first image of any stream came, or None: silence counts from there."""

    def source(self, modality: Modality) -> Source:
        """Return one of the streams."""
        return self.rgb if modality is Modality.RGB else self.depth

    def is_stale(self, modality: Modality, now_ns: int) -> bool:
        """Return whether a stream is silent for too long, and a stalled machine no excuse."""
        source = self.source(modality)
        other = self.depth if source is self.rgb else self.rgb
        quiet_since_ns = self._quiet_since_ns(source)
        if quiet_since_ns is None:
            return True
        return now_ns - quiet_since_ns > source.stale_after_ns and now_ns >= other.judged_from_ns

    def rgb_is_missing(self, now_ns: int) -> bool:
        """Return whether RGB missed three of its images while depth kept coming."""
        quiet_since_ns = self._quiet_since_ns(self.rgb)
        return (
            quiet_since_ns is not None
            and now_ns - quiet_since_ns >= self.rgb.missed_after_ns
            and now_ns >= self.depth.judged_from_ns
            and self.depth.is_coming(now_ns)
        )

    def health(self, modality: Modality, now_ns: int) -> StreamHealth:
        """Return what the mode needs to know of one stream."""
        source = self.source(modality)
        steady_after_ns = 2 * seconds_ns(self._config.recovery_time)
        return StreamHealth(
            silence_ns=None if source.last_ns is None else now_ns - source.last_ns,
            is_stale=self.is_stale(modality, now_ns),
            is_coming=source.is_coming(now_ns),
            is_steady=source.is_coming(now_ns)
            and source.running_since_ns is not None
            and now_ns - source.running_since_ns >= steady_after_ns
            and source.run_length >= self._config.recovery_frames,
            fault=self._depth_fault() if modality is Modality.DEPTH else None,
        )

    def rhythm(self, now_ns: int) -> Rhythm:
        """Return the numbers that pairing goes by now."""
        rgb_ns, depth_ns = self.rgb.period.stamp_ns, self.depth.period.stamp_ns
        vain = None
        if self.is_stale(Modality.DEPTH, now_ns):
            vain = 'depth_stale'
        elif self._depth_fault():
            vain = 'depth_late'
        return Rhythm(
            gap_ns=seconds_ns(self._config.max_pair_gap) or auto_gap_ns(rgb_ns, depth_ns),
            wait_ns=0 if vain else self._wait_ns(),
            vain=vain,
            rgb_ns=rgb_ns,
            depth_ns=depth_ns,
        )

    def verdict_times_ns(self) -> list[int]:
        """Return when silence, if it lasts, changes a verdict."""
        times = [self.rgb.judged_from_ns, self.depth.judged_from_ns]
        for source in (self.rgb, self.depth):
            quiet_since_ns = self._quiet_since_ns(source)
            if quiet_since_ns is not None:
                times.append(quiet_since_ns + source.stale_after_ns + 1)
                times.append(quiet_since_ns + source.missed_after_ns)
        return times

    def _quiet_since_ns(self, source: Source) -> int | None:
        return self.started_ns if source.last_ns is None else source.last_ns

    def _depth_fault(self) -> str | None:
        """Return why depth cannot be paired although it comes, or None."""
        name = 'pair_wait' if self._config.pair_wait else 'pair_wait_max'
        limit = self._config.pair_wait or self._config.pair_wait_max
        if not self.lag.is_late(seconds_ns(limit)):
            return None
        lag = (self.lag.typical_ns or 0) / 1e9
        return f'depth_late: depth comes {lag:.3f} s after RGB; raise {name} above {limit:g} s'

    def _wait_ns(self) -> int:
        if self._config.pair_wait:
            return seconds_ns(self._config.pair_wait)
        most_ns = seconds_ns(self._config.pair_wait_max)
        learned = self.lag.p99_ns
        return most_ns if learned is None else min(learned + _WAIT_MARGIN_NS, most_ns)


def seconds_ns(seconds: float) -> int:
    """Return a configured time in nanoseconds."""
    return round(seconds * 1e9)
