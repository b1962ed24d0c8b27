"""Rule 8 where rule 7 holds: RGB is sick, and depth is well but pairs with nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest
from stream_simulation import camera, DEPTH, Event, ms, RGB, simulate

from m3l_core.frames import Modality
from m3l_core.stream import Finding, Mode, Taken
from m3l_core.stream.health import Severity

BLACK = Finding('rgb_black: 100% of the image is black', Severity.SAYS_NOTHING)
APART = [(-3_600_000.0, 0.0), (5000.0, 0.0), (0.0, 250.0)]
"""By how many ms depth's clock is off, and by how many it comes late."""


def sick_between(first_ms: float, last_ms: float) -> Callable[[Taken], dict[Modality, Finding]]:
    """RGB is black from one time to another; depth is well, and so is nothing that is not seen."""

    def look(taken: Taken) -> dict[Modality, Finding]:
        found = {}
        for modality, image in ((RGB, taken.rgb), (DEPTH, taken.depth)):
            if isinstance(image, Event):
                is_black = modality is RGB and ms(first_ms) <= image.arrival_ns < ms(last_ms)
                found[modality] = BLACK if is_black else Finding()
        return found

    return look


@pytest.mark.parametrize('apart', APART, ids=['other clock', 'ahead', 'late'])
@pytest.mark.parametrize('rates', [(30, 30), (30, 15), (15, 30)])
def test_depth_that_pairs_with_nothing_is_labeled_while_rgb_is_sick(
    apart: tuple[float, float], rates: tuple[int, int]
) -> None:
    check_depth_leads(rates, apart, engine_ms=5, sick_ms=(4000, 9000), until_ms=13_000)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    rates=st.sampled_from([(30, 30), (30, 15), (15, 30), (60, 30), (15, 15)]),
    apart=st.sampled_from(APART),
    engine_ms=st.floats(1, 120),
    starts_ms=st.floats(4000, 5000),
    lasts_ms=st.floats(3500, 5000),
    jitter_ms=st.floats(0, 10),
    seed=st.integers(0, 1000),
)
def test_labels_go_on_with_the_less_sick_stream_whatever_the_rates(
    rates: tuple[int, int],
    apart: tuple[float, float],
    engine_ms: float,
    starts_ms: float,
    lasts_ms: float,
    jitter_ms: float,
    seed: int,
) -> None:
    sick_ms = (starts_ms, starts_ms + lasts_ms)
    check_depth_leads(
        rates,
        apart,
        engine_ms=engine_ms,
        sick_ms=sick_ms,
        until_ms=13_500,
        jitter_ms=jitter_ms,
        seed=seed,
    )


def check_depth_leads(
    rates: tuple[int, int],
    apart: tuple[float, float],
    *,
    engine_ms: float,
    sick_ms: tuple[float, float],
    until_ms: float,
    jitter_ms: float = 0,
    seed: int = 0,
) -> None:
    off_ms, lag_ms = apart
    how = {'end_ms': until_ms, 'jitter_ms': jitter_ms, 'seed': seed}
    run = simulate(
        camera(RGB, hz=rates[0], **how),  # type: ignore[arg-type]
        off(camera(DEPTH, hz=rates[1], lag_ms=lag_ms, **how), off_ms),  # type: ignore[arg-type]
        engine_ms=engine_ms,
        look=sick_between(*sick_ms),
        until_ms=until_ms - 600,
    )
    assert run.path[-2:] == [Mode.DEPTH_ONLY, Mode.RGB_ONLY]
    assert run.path.count(Mode.DEPTH_ONLY) == 1
    left, back = run.transitions[-2:]
    assert BLACK.fault in left.reason
    assert left.at_ns <= ms(sick_ms[0] + 6 * max(1000 / rates[0], engine_ms) + 100)
    assert ms(sick_ms[1] + 500) <= back.at_ns <= ms(sick_ms[1] + 2200)
    led = [f for at, f in run.labels if left.at_ns + ms(400) < at < back.at_ns]
    assert {(f.anchor, f.rgb, f.reason) for f in led} == {(DEPTH, None, 'rgb_sick')}
    # One look at RGB every half second costs no label of depth.
    period_ms = max(1000 / rates[1], engine_ms)
    assert run.gap_ms(sick_ms[0] + 1500) <= 2 * period_ms + 25
    assert 2 <= len(run.probes) <= 2 * (back.at_ns - left.at_ns) / 1e9 + 2
    stamps = [f.stamp_ns for f in led]
    assert stamps == sorted(set(stamps))


def off(images: list[Event], by_ms: float) -> list[Event]:
    """Put the clock that stamps these images off."""
    return [replace(image, stamp_ns=image.stamp_ns + ms(by_ms)) for image in images]


def test_rgb_that_is_well_is_never_held_back() -> None:
    depth = off(camera(DEPTH, hz=30, end_ms=8000), 5000)
    run = simulate(camera(RGB, hz=30, end_ms=8000), depth, until_ms=7900)
    assert run.path == [Mode.RGB_ONLY]
    assert not run.probes
    assert {frame.anchor for frame in run.frames()} == {RGB}


def test_depth_that_dies_while_it_leads_leaves_the_labels_to_sick_rgb() -> None:
    depth = camera(DEPTH, hz=30, end_ms=8000, dead_ms=(6000, 9000))
    run = simulate(
        camera(RGB, hz=30, end_ms=8000),
        off(depth, 5000),
        look=sick_between(4000, 9000),
        until_ms=7900,
    )
    assert run.path == [Mode.RGB_ONLY, Mode.DEPTH_ONLY, Mode.RGB_ONLY]
    assert run.gap_ms(6000) <= 4 * 1000 / 30 + 10
    assert len(run.frames(6500, 7500)) == 30
