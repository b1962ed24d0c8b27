"""Cameras, a busy engine and a clock made of numbers, to try a stream without waiting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
import random

from m3l_core.frames import Modality
from m3l_core.stream import Finding, Mode, Stream, StreamConfig, Taken, Transition

RGB, DEPTH = Modality.RGB, Modality.DEPTH
EPOCH_NS = 1_700_000_000_000_000_000
"""Cameras stamp with the time of day, the stream's own clock is steady."""


def ms(value: float) -> int:
    return round(value * 1e6)


@dataclass(frozen=True, order=True)
class Event:
    """An image on its way; it is its own payload."""

    arrival_ns: int
    stamp_ns: int
    is_depth: bool = False

    @property
    def modality(self) -> Modality:
        return DEPTH if self.is_depth else RGB


def camera(
    modality: Modality,
    *,
    hz: float,
    start_ms: float = 0,
    end_ms: float,
    lag_ms: float = 0,
    jitter_ms: float = 0,
    phase_ms: float = 0,
    stamp_jitter_ms: float = 0,
    dead_ms: tuple[float, float] = (0, 0),
    loss: float = 0,
    seed: int = 0,
) -> list[Event]:
    """Images stamped at an even pace that arrive, in order, a little later.

    A dead camera is one whose process is killed: what it stamped until then still arrives.
    """
    chance = random.Random(f'{seed}{modality}')
    events = []
    last = 0
    for index in range(int((end_ms - start_ms) * hz / 1000)):
        at = start_ms + phase_ms + index * 1000 / hz
        if dead_ms[0] <= at < dead_ms[1] or chance.random() < loss:
            continue
        stamp = ms(at + chance.uniform(-stamp_jitter_ms, stamp_jitter_ms))
        arrival = max(ms(at + lag_ms + chance.uniform(0, jitter_ms)), last + 1)
        last = arrival
        events.append(Event(arrival, EPOCH_NS + stamp, modality is DEPTH))
    return events


@dataclass
class Run:
    """What came out of a stream."""

    stream: Stream
    labels: list[tuple[int, Taken]] = field(default_factory=list)
    """Each frame with the time its labels were published."""
    probes: list[Taken] = field(default_factory=list)
    """What was looked at and not labeled."""
    transitions: list[Transition] = field(default_factory=list)
    modes: list[tuple[int, Mode]] = field(default_factory=list)

    @property
    def path(self) -> list[Mode]:
        return [transition.mode for transition in self.transitions]

    def mode_at(self, at_ms: float) -> Mode:
        mode = Mode.NO_INPUT
        for transition in self.transitions:
            if transition.at_ns <= ms(at_ms):
                mode = transition.mode
        return mode

    def gap_ms(self, around_ms: float) -> float:
        """Longest time without labels that touches the second after an event."""
        times = [at for at, _ in self.labels]
        gaps = [
            after - before
            for before, after in pairwise(times)
            if after >= ms(around_ms - 50) and before <= ms(around_ms + 1000)
        ]
        return max(gaps) / 1e6

    def frames(self, from_ms: float = 0, to_ms: float = 1e12) -> list[Taken]:
        return [t for _, t in self.labels if ms(from_ms) <= t.receive_ns < ms(to_ms)]


def simulate(
    *streams: list[Event],
    engine_ms: float = 5,
    config: StreamConfig | None = None,
    each: Callable[[Stream], None] | None = None,
    until_ms: float | None = None,
    stalls: Callable[[int], int] | None = None,
    look: Callable[[Taken], dict[Modality, Finding]] | None = None,
    fallback: list[Event] | None = None,
) -> Run:
    """Feed images to a stream as a node does: one engine that takes whenever it is free.

    Args:
        streams: Images, each list in the order of arrival.
        engine_ms: How long a frame keeps the engine busy.
        config: The stream's configuration.
        each: Called after every step.
        until_ms: When to stop; by default with the last image.
        stalls: Maps an arrival to when a stalled machine really delivers it.
        look: Says what the images of a frame that is taken turn out to be.
        fallback: Images of depth that is not registered to RGB.
    """
    run = Run(Stream(config or StreamConfig()))
    delay = stalls or (lambda at: at)
    other = fallback or []
    events = sorted(
        ((delay(e.arrival_ns), e) for images in (*streams, other) for e in images),
        key=lambda pair: pair[0],
    )
    unregistered = set(map(id, other))
    end = ms(until_ms) if until_ms is not None else events[-1][0]
    free_at = 0
    next_event = 0
    now = 0
    while True:
        times = [events[next_event][0]] if next_event < len(events) else []
        if free_at > now:
            times.append(free_at)
        wake = run.stream.wake_at(now)
        if wake is not None and (free_at <= now or wake > now):
            times.append(max(wake, now))
        if not times or min(times) > end:
            break
        now = min(times)
        if next_event < len(events) and events[next_event][0] <= now:
            image = events[next_event][1]
            if id(image) in unregistered:
                run.stream.add_fallback(image, stamp_ns=image.stamp_ns, now_ns=now)
            else:
                run.stream.add(image.modality, image, stamp_ns=image.stamp_ns, now_ns=now)
            next_event += 1
        if free_at <= now:
            taken = run.stream.take(now)
            if taken is not None:
                if taken.is_probe:
                    run.probes.append(taken)
                else:
                    free_at = now + ms(engine_ms)
                    run.labels.append((free_at, taken))
                for modality, finding in look(taken).items() if look else ():
                    run.stream.note_content(
                        modality, finding, now_ns=now, is_fallback=taken.is_fallback
                    )
        run.transitions += run.stream.tick(now)
        run.modes.append((now, run.stream.mode))
        if each is not None:
            each(run.stream)
    return run
