"""The demo's arithmetic on a recording a reader can follow."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest

from m3l_core.frames import Modality
from m3l_perception.demo.score import (
    Event,
    gap_rows,
    GapRow,
    ImageRecord,
    latency_ms,
    MaskRecord,
    ModeRecord,
    periods_s,
)


def mask(arrival_s: float, latency_s: float | None = 0.02) -> MaskRecord:
    return MaskRecord(
        stamp_ns=round(arrival_s * 1e9),
        arrival_s=arrival_s,
        size=(480, 640),
        used='rgb+depth',
        mode='RGBD',
        engine_ms=20.0,
        latency_s=latency_s,
    )


RGB, DEPTH = Modality.RGB, Modality.DEPTH
LAG_S = 0.01


def image(arrival_s: float) -> ImageRecord:
    return ImageRecord(round(arrival_s * 1e9), arrival_s - LAG_S, arrival_s)


KILLED = Event('depth killed', 1.0, 'RGB_ONLY', periods=1, living=(RGB,))
BACK = Event(
    'depth back', 1.0, 'RGBD', periods=inf, returning=(DEPTH,), returned_s=1.0, living=(RGB,)
)
STEADY = [float(at) for at in np.arange(0, 3.2, 0.1)]
SILENT: dict[Modality, list[float]] = {RGB: [], DEPTH: []}
WAITS = [(0.5, 0.15), (0.9, 0.02), (2.0, 0.04), (3.5, 0.15)]
MODES = [ModeRecord('RGBD', 0.0), ModeRecord('RGB_ONLY', 1.3)]


def row_of(
    arrivals: list[float],
    *,
    event: Event = KILLED,
    modes: list[ModeRecord] = MODES,
    images: dict[Modality, list[float]] = SILENT,
    pauses: list[tuple[float, float]] | None = None,
) -> GapRow:
    (row,) = gap_rows(
        [event],
        [mask(s) for s in arrivals],
        modes,
        end_s=3.0,
        period_s=0.1,
        waits_s=WAITS,
        images={modality: [image(at) for at in came] for modality, came in images.items()},
        pauses_s=pauses or [],
    )
    return row


def gap(arrivals: list[float]) -> float:
    row = row_of(arrivals)
    assert row.promise_s == pytest.approx(0.1 + 0.04 + 0.02)
    return row.gap_s


def test_the_gap_that_an_event_falls_into_counts() -> None:
    assert gap([0.8, 0.9, 1.05, 1.15, 2.9]) == pytest.approx(2.9 - 1.15)
    assert gap([0.5, 1.2, *np.arange(1.3, 3, 0.1)]) == pytest.approx(0.7)


def test_gaps_before_the_event_are_none_of_its() -> None:
    assert gap([0.1, 0.95, *np.arange(1, 3.2, 0.1)]) == pytest.approx(0.1)


def test_silence_up_to_the_end_of_the_recording_is_a_gap() -> None:
    assert gap([0.9]) == pytest.approx(2.1)


def test_a_promise_is_kept_only_if_the_mode_followed() -> None:
    for modes, after_s, verdict in ((MODES, 0.3, 'kept'), (MODES[:1], inf, 'BROKEN')):
        row = row_of(STEADY, modes=modes)
        assert row.mode_after_s == pytest.approx(after_s)
        assert row.verdict == verdict


@pytest.mark.parametrize(('after_s', 'verdict'), [(0.49, 'kept'), (0.51, 'BROKEN')])
def test_a_mode_follows_a_death_within_four_periods_and_a_tenth(
    after_s: float, verdict: str
) -> None:
    modes = [ModeRecord('RGBD', 0.0), ModeRecord('RGB_ONLY', 1.0 + after_s)]
    assert row_of(STEADY, modes=modes).verdict == verdict


@pytest.mark.parametrize(('after_s', 'verdict'), [(1.89, 'kept'), (1.91, 'BROKEN')])
def test_a_mode_returns_soon_after_the_first_image(after_s: float, verdict: str) -> None:
    modes = [ModeRecord('RGB_ONLY', 0.0), ModeRecord('RGBD', 1.0 + after_s)]
    images = {RGB: STEADY, DEPTH: [0.9, 1.4, 1.5]}
    row = row_of(STEADY, event=BACK, modes=modes, images=images)
    assert row.verdict == verdict


@pytest.mark.parametrize(('after_s', 'verdict'), [(1.89, 'kept'), (1.91, 'BROKEN')])
def test_an_image_that_was_on_its_way_when_its_camera_failed_is_no_return(
    after_s: float, verdict: str
) -> None:
    modes = [ModeRecord('RGB_ONLY', 0.0), ModeRecord('RGBD', 1.0 + after_s)]
    images = {RGB: STEADY, DEPTH: [0.9, 1.0 + LAG_S / 2, 1.4, 1.5]}
    assert row_of(STEADY, event=BACK, modes=modes, images=images).verdict == verdict


@pytest.mark.parametrize(('after_s', 'verdict'), [(1.84, 'stalled'), (1.86, 'BROKEN')])
def test_a_mode_that_waits_for_a_living_camera_that_reached_nobody_is_told_as_such(
    after_s: float, verdict: str
) -> None:
    modes = [ModeRecord('RGB_ONLY', 0.0), ModeRecord('RGBD', 1.0 + after_s)]
    heard = [*(at for at in STEADY if at < 0.95), 1.35, *(at for at in STEADY if at > 1.4)]
    images = {RGB: heard, DEPTH: [1.1, 1.2]}
    assert row_of(STEADY, event=BACK, modes=modes, images=images).verdict == verdict


def test_a_mode_that_a_pause_of_the_machine_delays_is_told_as_such() -> None:
    modes = [ModeRecord('RGBD', 0.0), ModeRecord('RGB_ONLY', 1.0 + 0.6)]
    arrivals = [at for at in STEADY if not 1.0 < at < 1.15]
    images = {RGB: STEADY, DEPTH: []}
    row = row_of(arrivals, images=images, modes=modes, pauses=[(1.01, 1.14)])
    assert row.verdict == 'paused'
    assert not row.mode_kept
    assert row_of(arrivals, images=images, modes=modes).verdict == 'BROKEN'


def test_a_mode_that_comes_and_goes_did_not_follow() -> None:
    modes = [*MODES, ModeRecord('RGBD', 2.0)]
    assert row_of(STEADY, modes=modes).mode_after_s == inf
    assert row_of(STEADY, modes=[*modes, ModeRecord('RGB_ONLY', 2.5)]).verdict == 'BROKEN'


def test_a_gap_that_a_pause_of_the_machine_explains_is_told_as_such() -> None:
    arrivals = [at for at in STEADY if not 1.0 < at < 1.35]
    images = {RGB: STEADY, DEPTH: []}
    assert row_of(arrivals, images=images).verdict == 'BROKEN'
    assert row_of(arrivals, images=images, pauses=[(1.1, 1.25)]).verdict == 'BROKEN'
    row = row_of(arrivals, images=images, pauses=[(0.5, 0.6), (1.05, 1.3), (1.32, 9.0)])
    assert row.verdict == 'paused'
    assert row.paused_s == pytest.approx(0.25 + 0.08)


def test_a_gap_in_which_the_living_camera_reached_nobody_is_told_as_such() -> None:
    arrivals = [at for at in STEADY if not 1.0 < at < 2.0]
    heard = [at for at in STEADY if not 1.05 < at < 1.95]
    assert row_of(arrivals, images={RGB: heard, DEPTH: STEADY}).verdict == 'stalled'
    assert row_of(arrivals, images={RGB: STEADY, DEPTH: heard}).verdict == 'BROKEN'


def test_latency_leaves_out_masks_whose_image_was_not_seen() -> None:
    masks = [mask(1, 0.01), mask(2, 0.03), mask(3, None)]
    assert latency_ms(masks)[0] == pytest.approx(20)
    assert np.isnan(latency_ms([mask(1, None)])[0])


def test_a_period_is_the_median_step_and_a_jump_back_is_none() -> None:
    looped = [0, 100_000_000, 200_000_000, 0, 100_000_000, 900_000_000]
    images = [ImageRecord(stamp_ns, 0.0, 0.0) for stamp_ns in looped]
    periods = periods_s({RGB: images, DEPTH: []})
    assert periods[Modality.RGB] == pytest.approx(0.1)
    assert np.isnan(periods[Modality.DEPTH])
