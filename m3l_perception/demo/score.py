"""What a recording shows: gaps and modes against promises, latency.

A promise holds for what reaches the node. A gap in which the machine itself paused, or in which
the images of a camera that lives reached nobody, is told as such, beside those that are broken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from m3l_core.frames import Modality

_SETTLED_S = 2.0
"""How long after a change the gap that belongs to it may begin."""

_STALE_S, _STALE_PERIODS = 0.3, 4
"""Silence after which a stream is stale."""

_TOLD_S = 0.1
"""For the last image before a failure, and for the new mode to arrive."""

_RECOVERED_S = 1.5
"""Pairs for 0.5 s, and a second for a process that has just started to come into its rhythm."""


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
    """How many periods of a camera the promise allows between labels; infinite if nothing is
    promised."""
    returning: tuple[Modality, ...] = ()
    """Cameras that come back."""
    living: tuple[Modality, ...] = ()
    """Cameras to which nothing is done, and which live."""


@dataclass(frozen=True)
class GapRow:
    """One change and what it cost."""

    event: Event
    gap_s: float
    promise_s: float
    switched_after_s: float | None
    """After which time the mode was there that belongs to it, to stay; None if it never was."""
    mode_promise_s: float
    paused_s: float = 0.0
    """For how long of the gap the machine stood still."""
    undelivered_s: float = 0.0
    """For how long of the gap images of no camera that lives arrived, beyond their period."""

    @property
    def mode_kept(self) -> bool:
        """Whether the mode followed in time."""
        after_s = self.switched_after_s
        return after_s is not None and after_s <= self.mode_promise_s + self.paused_s

    @property
    def verdict(self) -> str:
        """Return `kept`, `BROKEN`, or why a gap says nothing of the node.

        That is `paused` (the machine) or `stalled` (the transport of the camera that lives).
        """
        if not self.mode_kept:
            return 'BROKEN'
        excuses = (('kept', 0.0), ('paused', self.paused_s), ('stalled', self.undelivered_s))
        for word, excused_s in excuses:
            if self.gap_s - excused_s <= self.promise_s:
                return word
        return 'BROKEN'

    @property
    def kept(self) -> bool:
        """Whether labels came as promised and the mode followed."""
        return self.verdict == 'kept'


def gap_rows(
    events: Sequence[Event],
    masks: Sequence[MaskRecord],
    modes: Sequence[ModeRecord],
    *,
    end_s: float,
    period_s: float,
    waits_s: Sequence[tuple[float, float]],
    arrivals_s: Mapping[Modality, Sequence[float]],
    pauses_s: Sequence[tuple[float, float]] = (),
    settled_s: float = _SETTLED_S,
) -> list[GapRow]:
    """Return the longest gap between labels after each event beside the promised one.

    The promise: so many periods, the wait for a partner, and the engine's time (its p99, or that
    for the label that ended the gap). The mode follows when the silence has lasted long enough, or
    1.5 s after the first image of the last camera to return.

    Args:
        events: In order of time.
        masks: In order of arrival.
        modes: In order of arrival.
        end_s: When the recording ended.
        period_s: Measured period of the slower stream.
        waits_s: When the node told for how long RGB waits for its depth, and how long.
        arrivals_s: When images of each camera arrived, in order.
        pauses_s: When the machine stood still, first and last moment, in order.
        settled_s: How long after an event the gap that belongs to it may begin.
    """
    engine_s = float(np.percentile([mask.engine_ms for mask in masks], 99)) / 1e3
    ends = [*(event.at_s for event in events), end_s][1:]
    rows = []
    for event, end in zip(events, ends, strict=True):
        gap = _longest_gap(masks, event.at_s, min(end, event.at_s + settled_s), end)
        living = sorted(at for camera in event.living for at in arrivals_s[camera])
        rows.append(
            GapRow(
                event,
                gap[1] - gap[0],
                event.periods * period_s
                + _longest_wait(waits_s, event.at_s, end)
                + max(engine_s, _engine_s(masks, gap[1])),
                _switched_after(modes, event, end),
                _mode_promise(event, arrivals_s, period_s, end),
                sum(max(0.0, min(last, gap[1]) - max(first, gap[0])) for first, last in pauses_s),
                max(0.0, _longest_silence(living, *gap) - period_s) if event.living else 0.0,
            )
        )
    return rows


def _engine_s(masks: Sequence[MaskRecord], at_s: float) -> float:
    """Return how long the engine took for the label that arrived at a time."""
    return max((mask.engine_ms / 1e3 for mask in masks if mask.arrival_s == at_s), default=0.0)


def _mode_promise(
    event: Event, arrivals_s: Mapping[Modality, Sequence[float]], period_s: float, end_s: float
) -> float:
    """Return how long after an event its mode must be there."""
    if not event.returning:
        return max(_STALE_S, _STALE_PERIODS * period_s) + _TOLD_S
    firsts = (
        next((at for at in arrivals_s[camera] if event.at_s < at <= end_s), end_s)
        for camera in event.returning
    )
    return max(firsts) - event.at_s + _RECOVERED_S


def _longest_silence(arrivals_s: Sequence[float], first_s: float, last_s: float) -> float:
    """Return the longest part of [first_s, last_s] in which nothing arrived."""
    within = [at for at in arrivals_s if first_s < at < last_s]
    return float(np.diff([first_s, *within, last_s]).max())


def _longest_wait(waits_s: Sequence[tuple[float, float]], first_s: float, last_s: float) -> float:
    """Return the longest wait in force at some time of [first_s, last_s]."""
    before = [wait for at, wait in waits_s if at <= first_s][-1:]
    within = [wait for at, wait in waits_s if first_s < at <= last_s]
    return max([*before, *within], default=0.0)


def _longest_gap(
    masks: Sequence[MaskRecord], first_s: float, last_s: float, end_s: float
) -> tuple[float, float]:
    """Return begin and end of the longest time without a label that touches [first_s, last_s].

    What of it lies behind `end_s` belongs to what happened then.
    """
    before = [m.arrival_s for m in masks if m.arrival_s <= first_s][-1:]
    within = [m.arrival_s for m in masks if first_s < m.arrival_s <= last_s]
    after = [min(m.arrival_s, end_s) for m in masks if m.arrival_s > last_s][:1]
    arrivals = [*(before or [first_s]), *within, *(after or [last_s])]
    longest = int(np.diff(arrivals).argmax())
    return arrivals[longest], arrivals[longest + 1]


def _switched_after(modes: Sequence[ModeRecord], event: Event, end_s: float) -> float | None:
    """Return how long after an event its mode was there to stay; None if it was not."""
    until = [record for record in modes if record.arrival_s <= end_s]
    if not until or until[-1].mode != event.expected_mode:
        return None
    return max(0.0, until[-1].arrival_s - event.at_s)


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
