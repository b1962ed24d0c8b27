"""What the design promises by number, over random cameras: lateness, rates, clocks, failover."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, HealthCheck, settings
from hypothesis import strategies as st
from stream_simulation import camera, DEPTH, EPOCH_NS, Event, ms, RGB, simulate

from m3l_core.frames import Modality
from m3l_core.stream import Mode, Stream, StreamConfig

SETTLED = [Mode.RGB_ONLY, Mode.RGBD]
SOME = settings(
    max_examples=50, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
seeds = st.integers(0, 10_000)
engines_ms = st.sampled_from([1, 5, 20, 40, 100, 300])
equal_rates = st.sampled_from([(30, 30), (30, 15), (60, 30), (15, 15), (15, 30), (10, 10), (5, 5)])


@SOME
@given(
    lag_ms=st.floats(0, 120), hz=st.sampled_from([10, 15, 30, 60]), engine=engines_ms, seed=seeds
)
def test_late_depth_is_paired_and_the_mode_stands(
    lag_ms: float, hz: float, engine: float, seed: int
) -> None:
    run = simulate(
        camera(RGB, hz=hz, end_ms=6000, jitter_ms=3, seed=seed),
        camera(DEPTH, hz=hz, end_ms=6000, lag_ms=lag_ms, jitter_ms=10, seed=seed),
        engine_ms=engine,
        until_ms=5900,
    )
    assert run.path == SETTLED
    frames = run.frames(3000)
    assert sum(frame.depth is not None for frame in frames) >= 0.99 * len(frames)


@SOME
@given(
    rates=st.sampled_from([(30, 15), (60, 30), (15, 15)]),
    phase=st.floats(0, 1),
    lag_ms=st.floats(0, 80),
    stamp_jitter_ms=st.sampled_from([0, 0.5, 1]),
    engine=engines_ms,
    seed=seeds,
)
def test_no_rate_and_no_phase_makes_the_mode_flicker(
    rates: tuple[int, int],
    phase: float,
    lag_ms: float,
    stamp_jitter_ms: float,
    engine: float,
    seed: int,
) -> None:
    run = simulate(
        camera(RGB, hz=rates[0], end_ms=6000, jitter_ms=5, stamp_jitter_ms=stamp_jitter_ms),
        camera(
            DEPTH,
            hz=rates[1],
            end_ms=6000,
            lag_ms=lag_ms,
            jitter_ms=10,
            phase_ms=phase * 1000 / rates[1],
            stamp_jitter_ms=stamp_jitter_ms,
            seed=seed,
        ),
        engine_ms=engine,
        until_ms=5900,
    )
    assert run.path == SETTLED


@SOME
@given(
    by_s=st.one_of(st.sampled_from([-3600, 3600]), st.floats(-10, 10)),
    at_ms=st.floats(3000, 4000),
    rates=equal_rates,
    lag_ms=st.floats(0, 120),
    engine=engines_ms,
    seed=seeds,
)
def test_a_step_of_the_system_clock_at_any_moment_changes_nothing(
    by_s: float, at_ms: float, rates: tuple[int, int], lag_ms: float, engine: float, seed: int
) -> None:
    def stepped(images: list[Event]) -> list[Event]:
        step = EPOCH_NS + ms(at_ms)
        return [
            replace(image, stamp_ns=image.stamp_ns + ms(1000 * by_s))
            if image.stamp_ns >= step
            else image
            for image in images
        ]

    run = simulate(
        stepped(camera(RGB, hz=rates[0], end_ms=7000, jitter_ms=5, seed=seed)),
        stepped(camera(DEPTH, hz=rates[1], end_ms=7000, lag_ms=lag_ms, jitter_ms=5, seed=seed)),
        engine_ms=engine,
        until_ms=6900,
    )
    assert run.path == SETTLED
    assert {frame.anchor for frame in run.frames(2000)} == {RGB}


@SOME
@given(
    dies=st.sampled_from([RGB, DEPTH]),
    at_ms=st.floats(3000, 3500),
    for_ms=st.floats(1500, 2000),
    rates=equal_rates,
    lag_ms=st.floats(0, 110),
    jitter_ms=st.sampled_from([0, 5, 10]),
    engine=engines_ms,
    unpaired=st.sampled_from(['skip', 'rgb']),
    seed=seeds,
)
def test_a_camera_that_dies_leaves_no_longer_gap_than_promised(
    dies: Modality,
    at_ms: float,
    for_ms: float,
    rates: tuple[int, int],
    lag_ms: float,
    jitter_ms: float,
    engine: float,
    unpaired: str,
    seed: int,
) -> None:
    waits_ns = [0]

    def note_wait(stream: Stream) -> None:
        now_ns = stream._now_ns
        if now_ns is not None and now_ns < ms(at_ms):
            waits_ns[0] = stream.statistics(now_ns).wait_ns

    dead_ms = (at_ms, at_ms + for_ms)
    run = simulate(
        *(
            camera(
                modality,
                hz=rates[modality.value],
                end_ms=8000,
                lag_ms=lag_ms if modality is DEPTH else 0,
                jitter_ms=jitter_ms,
                dead_ms=dead_ms if modality is dies else (0, 0),
                seed=seed,
            )
            for modality in (RGB, DEPTH)
        ),
        engine_ms=engine,
        config=StreamConfig(unpaired=unpaired),  # type: ignore[arg-type]
        each=note_wait,
        until_ms=7900,
    )
    alone = Mode.RGB_ONLY if dies is DEPTH else Mode.DEPTH_ONLY
    assert run.path == [*SETTLED, alone, Mode.RGBD]
    labeled_every_ms = 1000 / min(rates)  # unpaired images are skipped, or depth is the slower
    until_alone_ms = labeled_every_ms if dies is DEPTH else 4 * 1000 / rates[0]
    transport_ms = jitter_ms + waits_ns[0] / 1e6
    assert run.gap_ms(dead_ms[0]) <= until_alone_ms + transport_ms + engine
    assert run.gap_ms(dead_ms[1]) <= max(until_alone_ms, labeled_every_ms) + transport_ms + engine


@SOME
@given(
    rates=equal_rates,
    phase_ms=st.floats(0, 8),
    lag_ms=st.floats(0, 120),
    jitter_ms=st.floats(0, 10),
    loss=st.floats(0, 0.1),
    seed=seeds,
)
def test_an_engine_that_is_free_gets_every_image_that_came_in_order(
    rates: tuple[int, int],
    phase_ms: float,
    lag_ms: float,
    jitter_ms: float,
    loss: float,
    seed: int,
) -> None:
    run = simulate(
        camera(RGB, hz=rates[0], end_ms=4000, jitter_ms=jitter_ms, loss=loss, seed=seed),
        camera(
            DEPTH,
            hz=rates[1],
            end_ms=4000,
            lag_ms=lag_ms,
            jitter_ms=jitter_ms,
            phase_ms=phase_ms,
            loss=loss,
            seed=seed,
        ),
        engine_ms=0.5,
        config=StreamConfig(unpaired='rgb'),
        until_ms=5000,
    )
    counts = run.stream.statistics(ms(5000)).rgb
    assert counts.drops == {}
    assert sum(frame.rgb is not None for frame in run.frames()) == counts.received
