"""What a recording shows: gaps against promises, modes, latency, agreement with the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from m3l_core.frames import Modality

_SETTLED_S = 2.0
"""How long after a change the gap that belongs to it may begin."""


@dataclass(frozen=True)
class MaskRecord:
    """One label image as it arrived; times are seconds of one steady clock."""

    stamp_ns: int
    arrival_s: float
    size: tuple[int, int]
    used: str
    mode: str
    engine_ms: float
    latency_s: float | None
    """From the arrival of the image with its stamp and frame_id; None if that was not seen."""


@dataclass(frozen=True)
class ModeRecord:
    """A change of mode as it was published."""

    mode: str
    arrival_s: float


@dataclass(frozen=True)
class Event:
    """Something the demo did to a camera stream."""

    name: str
    at_s: float
    expected_mode: str
    """The mode that follows from it."""
    periods: float
    """How many periods of a camera the promise allows between labels; infinite if none may come
    at all."""


@dataclass(frozen=True)
class GapRow:
    """One change and what it cost."""

    event: Event
    gap_s: float
    promise_s: float
    switched_after_s: float | None

    @property
    def kept(self) -> bool:
        """Whether labels came as promised and the mode followed."""
        return self.gap_s <= self.promise_s and self.switched_after_s is not None


def gap_rows(
    events: Sequence[Event],
    masks: Sequence[MaskRecord],
    modes: Sequence[ModeRecord],
    *,
    end_s: float,
    period_s: float,
    waits_s: Sequence[tuple[float, float]],
    settled_s: float = _SETTLED_S,
) -> list[GapRow]:
    """Return the longest gap between labels after each event beside the promised one.

    The promise: so many periods, the wait for a partner, and the engine's time (p99).

    Args:
        events: In order of time.
        masks: In order of arrival.
        modes: In order of arrival.
        end_s: When the recording ended.
        period_s: Measured period of the slower stream.
        waits_s: When the node told for how long RGB waits for its depth, and how long.
        settled_s: How long after an event the gap that belongs to it may begin.
    """
    engine_s = float(np.percentile([mask.engine_ms for mask in masks], 99)) / 1e3
    ends = [*(event.at_s for event in events), end_s][1:]
    return [
        GapRow(
            event,
            _longest_gap(masks, event.at_s, min(end, event.at_s + settled_s), end),
            event.periods * period_s + _longest_wait(waits_s, event.at_s, end) + engine_s,
            _switched_after(modes, event, end),
        )
        for event, end in zip(events, ends, strict=True)
    ]


def _longest_wait(waits_s: Sequence[tuple[float, float]], first_s: float, last_s: float) -> float:
    """Return the longest wait in force at some time of [first_s, last_s]."""
    before = [wait for at, wait in waits_s if at <= first_s][-1:]
    within = [wait for at, wait in waits_s if first_s < at <= last_s]
    return max([*before, *within], default=0.0)


def _longest_gap(
    masks: Sequence[MaskRecord], first_s: float, last_s: float, end_s: float
) -> float:
    """Return the longest time without a label that touches [first_s, last_s].

    What of it lies behind `end_s` belongs to what happened then.
    """
    before = [m.arrival_s for m in masks if m.arrival_s <= first_s][-1:]
    within = [m.arrival_s for m in masks if first_s < m.arrival_s <= last_s]
    after = [min(m.arrival_s, end_s) for m in masks if m.arrival_s > last_s][:1]
    arrivals = [*(before or [first_s]), *within, *(after or [last_s])]
    return float(np.diff(arrivals).max())


def _switched_after(modes: Sequence[ModeRecord], event: Event, end_s: float) -> float | None:
    """Return how long after an event its mode was there; None if it never was."""
    before = [record.mode for record in modes if record.arrival_s <= event.at_s]
    if before and before[-1] == event.expected_mode:
        return 0.0
    times = [
        record.arrival_s - event.at_s
        for record in modes
        if event.at_s < record.arrival_s <= end_s and record.mode == event.expected_mode
    ]
    return times[0] if times else None


def latency_ms(masks: Sequence[MaskRecord]) -> tuple[float, float]:
    """Return median and p99 of the time from image to label; NaN if none was measured."""
    times = [1e3 * mask.latency_s for mask in masks if mask.latency_s is not None]
    if not times:
        return float('nan'), float('nan')
    median, high = np.percentile(times, (50, 99))
    return float(median), float(high)


def periods_s(stamps: dict[Modality, list[int]]) -> dict[Modality, float]:
    """Return the median step of the stamps of each stream, in order of arrival.

    A jump back, as of a bag that starts again, is no step. NaN where there is none.
    """
    steps = {modality: np.diff(values) for modality, values in stamps.items()}
    return {
        modality: float(np.median(step[step > 0])) / 1e9 if (step > 0).any() else np.nan
        for modality, step in steps.items()
    }
