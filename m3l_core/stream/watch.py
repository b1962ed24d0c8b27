"""What the arrivals of all streams, seen together, say about each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from m3l_core.frames import Modality
from m3l_core.stream.coupling import Coupling, seconds_ns
from m3l_core.stream.health import Severity
from m3l_core.stream.mode import StreamHealth
from m3l_core.stream.source import Source

if TYPE_CHECKING:
    from m3l_core.stream.config import StreamConfig
    from m3l_core.stream.rhythm import Rhythm
    from m3l_core.stream.source import Arrival


class Watch:
    """Judges the silence of the streams, with the machine's own stalls taken out."""

    def __init__(self, config: StreamConfig) -> None:
        self.rgb = Source()
        self.depth = Source()
        self.fallback = Source()
        """Depth that is not registered to RGB and pairs with nothing."""
        self.coupling = Coupling(config, self.rgb, self.depth)
        self.reconfigure(config)
        self.restart()

    def reconfigure(self, config: StreamConfig) -> None:
        """Judge by other settings from now on; nothing is forgotten."""
        for source in (self.rgb, self.depth, self.fallback):
            source.configured_stale_ns = seconds_ns(config.stale_after)
        self.coupling.config = config
        self._steady_after_ns = 2 * seconds_ns(config.recovery_time)
        self._steady_frames = config.recovery_frames

    def restart(self) -> None:
        """Forget all streams, but not their counts."""
        for source in (self.rgb, self.depth, self.fallback):
            source.restart()
        self.coupling.restart()
        self.started_ns: int | None = None
        """When the first image of any stream came, or None: silence counts from there."""

    def leap(self, by_ns: int) -> None:
        """Leave out a time in which nobody watched: all silences last as long as before."""
        for source in (self.rgb, self.depth, self.fallback):
            source.leap(by_ns)
        self.coupling.leap(by_ns)
        if self.started_ns is not None:
            self.started_ns += by_ns

    def source(self, modality: Modality) -> Source:
        """Return one of the streams that pair."""
        return self.rgb if modality is Modality.RGB else self.depth

    def source_of(self, image: Arrival) -> Source:
        """Return the stream that an image came from."""
        return self.fallback if image.is_fallback else self.source(image.modality)

    def is_missing(self, modality: Modality, now_ns: int) -> bool:
        """Return whether a stream missed three of its images while another kept coming."""
        source = self.source(modality)
        quiet_since_ns = self._quiet_since_ns(source)
        if quiet_since_ns is None or now_ns - quiet_since_ns < source.missed_after_ns:
            return False
        return any(
            other.is_coming(now_ns) and now_ns >= other.judged_from_ns
            for other in (self.rgb, self.depth, self.fallback)
            if other is not source
        )

    def health(self, now_ns: int) -> tuple[StreamHealth, StreamHealth]:
        """Return what the mode needs to know of RGB and of depth.

        When both are silent, depth that is not registered stands in.
        """
        rgb = self._health(self.rgb, self.depth, now_ns)
        depth = self._health(self.depth, self.rgb, now_ns)
        if rgb.is_stale and depth.is_stale and self.fallback.last_ns is not None:
            depth = self._health(self.fallback, self.fallback, now_ns)
        return rgb, depth

    def rgb_is_sick(self, now_ns: int) -> bool:
        """Return whether RGB is sick, or was until a moment ago."""
        return bool(self.rgb.content.fault) or not self._was_well(self.rgb, now_ns)

    def rhythm(self, now_ns: int) -> Rhythm:
        """Return the numbers that pairing goes by now."""
        depth_is_stale = self._is_stale(self.depth, self.rgb, now_ns)
        return self.coupling.rhythm(now_ns, depth_is_stale=depth_is_stale)

    def verdict_times_ns(self) -> list[int]:
        """Return when silence, if it lasts, changes a verdict."""
        sources = (self.rgb, self.depth, self.fallback)
        times = [source.judged_from_ns for source in sources]
        for source in sources:
            quiet_since_ns = self._quiet_since_ns(source)
            if quiet_since_ns is not None:
                times.append(quiet_since_ns + source.stale_after_ns + 1)
                times.append(quiet_since_ns + source.missed_after_ns)
        return times

    def _quiet_since_ns(self, source: Source) -> int | None:
        return self.started_ns if source.last_ns is None else source.last_ns

    def _is_stale(self, source: Source, other: Source, now_ns: int) -> bool:
        """Return whether a stream is silent for too long, and a stalled machine no excuse."""
        quiet_since_ns = self._quiet_since_ns(source)
        if quiet_since_ns is None:
            return True
        return now_ns - quiet_since_ns > source.stale_after_ns and now_ns >= other.judged_from_ns

    def _was_well(self, source: Source, now_ns: int) -> bool:
        sick_ns = source.content.sick_ns
        return sick_ns is None or now_ns - sick_ns >= self._steady_after_ns

    def _health(self, source: Source, other: Source, now_ns: int) -> StreamHealth:
        fault, severity = source.content.fault, source.content.latest.severity
        if source is self.depth and (apart := self.coupling.fault(now_ns)):
            severity = severity if fault else Severity.APART
            fault = f'{apart}; {fault}' if fault else apart
        is_coming = source.is_coming(now_ns)
        was_well = self._was_well(source, now_ns)
        return StreamHealth(
            silence_ns=None if source.last_ns is None else now_ns - source.last_ns,
            is_stale=self._is_stale(source, other, now_ns),
            is_coming=is_coming,
            was_well=was_well,
            is_steady=is_coming
            and was_well
            and now_ns - (source.running_since_ns or 0) >= self._steady_after_ns
            and source.run_length >= self._steady_frames,
            fault=fault,
            severity=severity if fault else Severity.HEALTHY,
        )
