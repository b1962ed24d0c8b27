"""Faults on their way from the bag to the stream: which images come, when, and with what stamp."""

from __future__ import annotations

from dataclasses import dataclass, replace
import heapq
from itertools import count
from typing import Any, TYPE_CHECKING
from zlib import crc32

import numpy as np

from m3l_core.errors import ConfigError
from m3l_core.frames import Modality
from m3l_core.replay.pixels import Spoil
from m3l_core.replay.scenario import FaultConfig

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from m3l_core.replay.arrivals import Arrival
    from m3l_core.replay.scenario import OutagesConfig, Scenario

_OTHER_MODE = {'rgb': 'DEPTH_ONLY', 'depth': 'RGB_ONLY'}

_LEAST_FOR_A_MODE_S = 0.5
"""A shorter outage need not change the mode: a stream is stale after 0.3 s or more."""

_MS = 1_000_000


@dataclass(frozen=True)
class Fault:
    """A fault with its times in the bag's own nanoseconds; the end is not part of it."""

    config: FaultConfig
    start_ns: int
    end_ns: int

    @property
    def modality(self) -> Modality:
        """The stream it is of."""
        return Modality[self.config.modality.upper()]

    @property
    def expected_mode(self) -> str | None:
        """The mode that must follow, or None if none must."""
        if self.config.expect is not None:
            return self.config.expect
        is_total = self.config.kind in ('drop', 'blacken') and self.config.share == 1
        is_long = self.end_ns - self.start_ns >= _LEAST_FOR_A_MODE_S * 1e9
        return _OTHER_MODE[self.config.modality] if is_total and is_long else None

    def to_dict(self, start_ns: int) -> dict[str, Any]:
        """Return it for a record; times in seconds after `start_ns`."""
        config = self.config
        return {
            'kind': config.kind,
            'modality': config.modality,
            'start_s': round((self.start_ns - start_ns) / 1e9, 6),
            'end_s': round((self.end_ns - start_ns) / 1e9, 6),
            'what': f'{config.modality} {config.kind}',
            'share': config.share,
            'size': config.size_of_fault,
        }


def faults_of(scenario: Scenario, start_ns: int, end_ns: int) -> list[Fault]:
    """Return the faults of a scenario in a bag whose images arrive in [start_ns, end_ns].

    Raises:
        ConfigError: If one ends before it starts.
    """
    faults = [_placed(config, start_ns, end_ns) for config in scenario.faults]
    for index, outages in enumerate(scenario.outages):
        faults += _drawn(outages, (scenario.seed, index), start_ns, end_ns)
    return sorted(faults, key=lambda fault: fault.start_ns)


def _placed(config: FaultConfig, start_ns: int, end_ns: int) -> Fault:
    def place(seconds: float | None, share: float | None, default_ns: int) -> int:
        if seconds is not None:
            return start_ns + round(seconds * 1e9)
        return default_ns if share is None else start_ns + round(share * (end_ns - start_ns))

    fault = Fault(
        config,
        place(config.start_s, config.start_share, start_ns),
        place(config.end_s, config.end_share, end_ns + 1),
    )
    has_end = config.end_s is not None or config.end_share is not None
    if has_end and fault.end_ns < fault.start_ns:  # seconds and a share only meet in a bag
        raise ConfigError(
            f'{config.modality} {config.kind}: expected an end after its start, got '
            f'{(fault.end_ns - start_ns) / 1e9:g} s after {(fault.start_ns - start_ns) / 1e9:g} s '
            f'in a bag of {(end_ns - start_ns) / 1e9:g} s. Change the scenario.'
        )
    return fault


def _drawn(
    outages: OutagesConfig, seed: tuple[int, ...], start_ns: int, end_ns: int
) -> Iterator[Fault]:
    """Yield outages with exponential pauses between them."""
    chance = np.random.default_rng((*seed, _number(outages.modality), _number(outages.kind)))
    config = FaultConfig(kind=outages.kind, modality=outages.modality)
    at_ns = start_ns
    while True:
        at_ns += round(chance.exponential(60 / outages.per_minute) * 1e9)
        length_ns = round(chance.uniform(outages.shortest_s, outages.longest_s) * 1e9)
        if at_ns >= end_ns:
            return
        yield Fault(config, at_ns, min(at_ns + length_ns, end_ns + 1))
        at_ns += length_ns


def faulty(arrivals: Iterable[Arrival], faults: list[Fault], seed: int) -> Iterator[Arrival]:
    """Yield arrivals as the faults leave them, in the order of their new receive times."""
    streams = {
        modality: _FaultyStream([fault for fault in faults if fault.modality is modality], seed)
        for modality in Modality
    }
    queue: list[tuple[int, int, Arrival]] = []
    number = count()
    for arrival in arrivals:
        # A fault only ever delays, so nothing that comes later can arrive before now.
        while queue and queue[0][0] < arrival.receive_ns:
            yield heapq.heappop(queue)[2]
        stream = streams[arrival.modality]
        passed = [arrival] if arrival.is_fallback else stream.pass_on(arrival)
        for changed in passed:
            heapq.heappush(queue, (changed.receive_ns, next(number), changed))
    for stream in streams.values():
        for changed in stream.finish():
            heapq.heappush(queue, (changed.receive_ns, next(number), changed))
    while queue:
        yield heapq.heappop(queue)[2]


class _FaultyStream:
    """Passes the images of one stream through its faults, one fault after the other."""

    def __init__(self, faults: list[Fault], seed: int) -> None:
        self._faults = faults
        self._seed = seed
        self._index = 0
        self._latest_ns = 0
        self._frozen: dict[int, Any] = {}
        self._before: Any = None
        self._held: Arrival | None = None

    def pass_on(self, arrival: Arrival) -> Iterator[Arrival]:
        """Yield what arrives of, or together with, an image."""
        changed: Arrival | None = arrival
        swap = False
        for number, fault in enumerate(self._faults):
            if not fault.start_ns <= arrival.receive_ns < fault.end_ns:
                self._frozen.pop(number, None)
                continue
            chance = np.random.default_rng(self._seeds(number))
            if changed is None or chance.random() >= fault.config.share:
                continue
            if fault.config.kind == 'drop':
                changed = None
            elif fault.config.kind == 'reorder':
                swap = True
            else:
                changed = self._changed(changed, fault, number, chance)
        self._before = arrival.message
        self._index += 1
        if changed is not None:
            yield from self._ordered(changed, swap=swap)

    def finish(self) -> Iterator[Arrival]:
        """Yield what is still held back at the end of the bag."""
        if self._held is not None:
            yield self._held

    def _changed(
        self, arrival: Arrival, fault: Fault, number: int, chance: np.random.Generator
    ) -> Arrival:
        kind, size = fault.config.kind, fault.config.size_of_fault
        if kind == 'delay':
            return replace(arrival, receive_ns=arrival.receive_ns + round(size * _MS))
        if kind == 'jitter':
            late_ns = round(chance.uniform(0, size) * _MS)
            return replace(arrival, receive_ns=arrival.receive_ns + late_ns)
        if kind == 'clock_shift':
            return _stamped(arrival, max(arrival.stamp_ns + round(size * _MS), 1))
        if kind == 'freeze':
            shown = self._before if self._before is not None else arrival.message
            shown = self._frozen.setdefault(number, shown)
            return replace(arrival, message=_with_header(shown, arrival.message.header))
        spoil = Spoil(kind, size, self._seeds(number))
        return replace(arrival, spoils=(*arrival.spoils, spoil))

    def _ordered(self, arrival: Arrival, *, swap: bool) -> Iterator[Arrival]:
        """Yield an image behind those before it, or after the next one if the two swap."""
        held, self._held = self._held, None
        if held is None and swap:
            self._held = arrival
            return
        # A transport that is late with one image is not early with the next.
        at_ns = max(arrival.receive_ns, self._latest_ns)
        self._latest_ns = at_ns
        yield replace(arrival, receive_ns=at_ns)
        if held is not None:
            yield replace(held, receive_ns=at_ns)

    def _seeds(self, number: int) -> tuple[int, ...]:
        config = self._faults[number].config
        return (self._seed, number, _number(config.modality), _number(config.kind), self._index)


def _stamped(arrival: Arrival, stamp_ns: int) -> Arrival:
    header = arrival.message.header
    seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
    header = replace(header, stamp=replace(header.stamp, sec=seconds, nanosec=nanoseconds))
    return replace(arrival, stamp_ns=stamp_ns, message=_with_header(arrival.message, header))


def _with_header(message: Any, header: Any) -> Any:  # noqa: ANN401
    return replace(message, header=header)


def _number(text: str) -> int:
    return crc32(text.encode())
