"""The demo's arithmetic on a recording a reader can follow."""

from __future__ import annotations

import numpy as np
import pytest

from m3l_core.frames import Modality
from m3l_perception.demo.score import (
    Event,
    gap_rows,
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


KILLED = Event('depth killed', 1.0, 'RGB_ONLY', periods=1)
WAITS = [(0.5, 0.15), (0.9, 0.02), (2.0, 0.04), (3.5, 0.15)]
MODES = [ModeRecord('RGBD', 0.0), ModeRecord('RGB_ONLY', 1.3)]


def gap(arrivals: list[float], modes: list[ModeRecord] = MODES) -> float:
    (row,) = gap_rows(
        [KILLED], [mask(s) for s in arrivals], modes, end_s=3.0, period_s=0.1, waits_s=WAITS
    )
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
    steady = [mask(s) for s in np.arange(0, 3, 0.1)]
    for modes, after in ((MODES, 0.3), (MODES[:1], None)):
        (row,) = gap_rows([KILLED], steady, modes, end_s=3.0, period_s=0.1, waits_s=WAITS)
        assert row.switched_after_s == (None if after is None else pytest.approx(after))
        assert row.kept is (after is not None)


def test_latency_leaves_out_masks_whose_image_was_not_seen() -> None:
    masks = [mask(1, 0.01), mask(2, 0.03), mask(3, None)]
    assert latency_ms(masks)[0] == pytest.approx(20)
    assert np.isnan(latency_ms([mask(1, None)])[0])


def test_a_period_is_the_median_step_and_a_jump_back_is_none() -> None:
    looped = [0, 100_000_000, 200_000_000, 0, 100_000_000, 900_000_000]
    stamps = {Modality.RGB: looped, Modality.DEPTH: []}
    periods = periods_s(stamps)
    assert periods[Modality.RGB] == pytest.approx(0.1)
    assert np.isnan(periods[Modality.DEPTH])
