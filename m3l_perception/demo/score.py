"""What a recording shows: gaps and modes against promises, latency.

A promise holds for what reaches the node. Where the machine itself paused, or the images of a
camera that lives reached nobody, that is told, beside the promises that are broken.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import inf
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
class ImageRecord:
    """One camera image as it arrived; times are seconds of the steady clock."""

    stamp_ns: int
    published_s: float
    arrival_s: float


@dataclass(frozen=True)
class MaskRecord:
    """One label image as it arrived; times are seconds of the steady clock."""

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
    returned_s: float = 0.0
    """When they do; images that their former processes published are older."""
    living: tuple[Modality, ...] = ()
    """Cameras to which nothing is done, and which live."""


@dataclass(frozen=True)
class GapRow:
    """One change and what it cost."""

    event: Event
    gap_s: float
    promise_s: float
    mode_after_s: float
    """After which time the mode was there that belongs to it, to stay; infinite if never."""
    mode_promise_s: float
    paused_s: float = 0.0
    """For how long of the gap the machine stood still."""
    unheard_s: float = 0.0
    """For how long of the gap images of no camera that lives arrived, beyond their period."""
    stale_s: float = 0.0
    """By how much later the mode is due because a camera that lives was not heard, and stale."""

    @property
    def mode_kept(self) -> bool:
        """Whether the mode followed in time."""
        return self._holds(0.0, 0.0)[1]

    @property
    def verdict(self) -> str:
        """Return `kept`, `BROKEN`, or what kept a promise from being one about the node.

        That is `paused` (the machine) or `stalled` (the transport of the camera that lives).
        """
        if all(self._holds(0.0, 0.0)):
            return 'kept'
        if all(self._holds(self.paused_s, self.paused_s)):
            return 'paused'
        return 'stalled' if all(self._holds(self.unheard_s, self.stale_s)) else 'BROKEN'

    @property
    def kept(self) -> bool:
        """Whether labels came as promised and the mode followed."""
        return self.verdict == 'kept'

    def _holds(self, gap_excused_s: float, mode_excused_s: float) -> tuple[bool, bool]:
        """Return whether gap and mode are as promised, apart from what is excused."""
        return (
            self.gap_s - gap_excused_s <= self.promise_s,
            self.mode_after_s - mode_excused_s <= self.mode_promise_s,
        )


def gap_rows(
    events: Sequence[Event],
    masks: Sequence[MaskRecord],
    modes: Sequence[ModeRecord],
    *,
    end_s: float,
    period_s: float,
    waits_s: Sequence[tuple[float, float]],
    images: Mapping[Modality, Sequence[ImageRecord]],
    pauses_s: Sequence[tuple[float, float]] = (),
    settled_s: float = _SETTLED_S,
) -> list[GapRow]:
    """Return the longest gap between labels after each event beside the promised one.

    The promise: so many periods, the wait for a partner, and the engine's time (its p99, or that
    for the label that ended the gap). The mode follows when the silence has lasted long enough, or
    1.5 s after the first image that the last camera to return published.

    Args:
        events: In order of time.
        masks: In order of arrival.
        modes: In order of arrival.
        end_s: When the recording ended.
        period_s: Measured period of the slower stream.
        waits_s: When the node told for how long RGB waits for its depth, and how long.
        images: Of each camera, in order of arrival.
        pauses_s: When the machine stood still, first and last moment, in order.
        settled_s: How long after an event the gap that belongs to it may begin.
    """
    engine_s = float(np.percentile([mask.engine_ms for mask in masks], 99)) / 1e3
    stale_s = max(_STALE_S, _STALE_PERIODS * period_s)
    ends = [*(event.at_s for event in events), end_s][1:]
    rows = []
    for event, end in zip(events, ends, strict=True):
        gap = _longest_gap(masks, event.at_s, min(end, event.at_s + settled_s), end)
        living_s = sorted(image.arrival_s for m in event.living for image in images[m])
        returned_s = _returned(event, images, end)
        after_s = _mode_after(modes, event, end)
        heard_s = _heard_again(living_s, event.at_s, min(end, event.at_s + after_s), stale_s)
        rows.append(
            GapRow(
                event,
                gap_s=gap[1] - gap[0],
                promise_s=event.periods * period_s
                + _longest_wait(waits_s, event.at_s, end)
                + max(engine_s, _engine_s(masks, gap[1])),
                mode_after_s=after_s,
                mode_promise_s=returned_s
                - event.at_s
                + (_RECOVERED_S if event.returning else stale_s + _TOLD_S),
                paused_s=sum(
                    max(0.0, min(last, gap[1]) - max(first, gap[0])) for first, last in pauses_s
                ),
                unheard_s=max(0.0, _longest_silence(living_s, *gap) - period_s)
                if event.living
                else 0.0,
                stale_s=max(0.0, heard_s - returned_s),
            )
        )
    return rows


def _engine_s(masks: Sequence[MaskRecord], at_s: float) -> float:
    """Return how long the engine took for the label that arrived at a time."""
    return max((mask.engine_ms / 1e3 for mask in masks if mask.arrival_s == at_s), default=0.0)


def _returned(
    event: Event, images: Mapping[Modality, Sequence[ImageRecord]], end_s: float
) -> float:
    """Return when all that return were heard; the time of the event if nothing returns."""
    firsts = (
        next(
            (
                image.arrival_s
                for image in images[camera]
                # Not one that was still on its way when its camera failed.
                if image.published_s > event.returned_s and image.arrival_s <= end_s
            ),
            end_s,
        )
        for camera in event.returning
    )
    return max(firsts, default=event.at_s)


def _heard_again(
    arrivals_s: Sequence[float], first_s: float, last_s: float, stale_s: float
) -> float:
    """Return when images last came again in [first_s, last_s] after none for so long."""
    until = [at for at in arrivals_s if at <= last_s]
    ends = (b for a, b in pairwise(until) if b - a > stale_s and b > first_s)
    return max(ends, default=first_s)


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


def _mode_after(modes: Sequence[ModeRecord], event: Event, end_s: float) -> float:
    """Return how long after an event its mode was there to stay; infinite if it was not."""
    until = [record for record in modes if record.arrival_s <= end_s]
    if not until or until[-1].mode != event.expected_mode:
        return inf
    return max(0.0, until[-1].arrival_s - event.at_s)


def latency_ms(masks: Sequence[MaskRecord]) -> tuple[float, float]:
    """Return median and p99 of the time from image to label; NaN if none was measured."""
    times = [1e3 * mask.latency_s for mask in masks if mask.latency_s is not None]
    if not times:
        return float('nan'), float('nan')
    median, high = np.percentile(times, (50, 99))
    return float(median), float(high)


def periods_s(images: Mapping[Modality, Sequence[ImageRecord]]) -> dict[Modality, float]:
    """Return the median step of the stamps of each stream, in order of arrival.

    A jump back, as of a bag that starts again, is no step. NaN where there is none.
    """
    steps = {
        modality: np.diff([image.stamp_ns for image in came]) for modality, came in images.items()
    }
    return {
        modality: float(np.median(step[step > 0])) / 1e9 if (step > 0).any() else np.nan
        for modality, step in steps.items()
    }
