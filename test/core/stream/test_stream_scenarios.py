"""Whole recordings: late, lossy and dying cameras, slow engines and stalling machines."""

from __future__ import annotations

from dataclasses import replace

import pytest
from stream_simulation import camera, DEPTH, Event, ms, RGB, simulate

from m3l_core.frames import Modality
from m3l_core.stream import Mode, StreamConfig

SETTLED = [Mode.RGB_ONLY, Mode.RGBD]


@pytest.mark.parametrize('engine_ms', [5, 60, 150])
@pytest.mark.parametrize('lag_ms', [0, 30, 60, 90, 120])
def test_late_depth_is_paired_and_never_makes_the_mode_flicker(
    lag_ms: float, engine_ms: float
) -> None:
    run = simulate(
        camera(RGB, hz=30, end_ms=5000, jitter_ms=3),
        camera(DEPTH, hz=30, end_ms=5000, lag_ms=lag_ms, jitter_ms=10),
        engine_ms=engine_ms,
    )
    assert run.path == SETTLED
    frames = run.frames(2000)
    assert sum(frame.depth is not None for frame in frames) >= 0.99 * len(frames)
    assert len(frames) >= 0.95 * min(90, 3000 / engine_ms) - 1


@pytest.mark.parametrize('engine_ms', [5, 60, 150])
@pytest.mark.parametrize(('rgb_hz', 'depth_hz'), [(30, 15), (60, 30), (30, 20), (15, 30)])
def test_streams_of_different_rates_pair_at_the_slower_rate(
    rgb_hz: float, depth_hz: float, engine_ms: float
) -> None:
    run = simulate(
        camera(RGB, hz=rgb_hz, end_ms=5000, jitter_ms=4, stamp_jitter_ms=0.5),
        camera(DEPTH, hz=depth_hz, end_ms=5000, lag_ms=40, jitter_ms=10, phase_ms=4),
        engine_ms=engine_ms,
    )
    assert run.path == SETTLED
    frames = run.frames(2000, 4900)
    assert sum(frame.depth is not None for frame in frames) >= 0.99 * len(frames)
    assert len(frames) >= 0.95 * min(2.9 * min(rgb_hz, depth_hz), 2900 / engine_ms) - 1


@pytest.mark.parametrize('phase_ms', range(0, 67, 11))
def test_free_running_cameras_pair_at_every_phase(phase_ms: float) -> None:
    run = simulate(
        camera(RGB, hz=15, end_ms=5000, jitter_ms=5, stamp_jitter_ms=1),
        camera(DEPTH, hz=15, end_ms=5000, lag_ms=20, jitter_ms=10, phase_ms=phase_ms),
    )
    assert run.path == SETTLED


def test_cameras_whose_phases_drift_keep_rgbd() -> None:
    run = simulate(
        camera(RGB, hz=30, end_ms=12000, jitter_ms=5),
        camera(DEPTH, hz=29, end_ms=12000, lag_ms=20, jitter_ms=10),
    )
    assert run.path == SETTLED


def test_a_tenth_of_both_streams_may_be_lost() -> None:
    run = simulate(
        camera(RGB, hz=30, end_ms=12000, jitter_ms=5, loss=0.1),
        camera(DEPTH, hz=30, end_ms=12000, lag_ms=40, jitter_ms=10, loss=0.1),
    )
    assert run.path == SETTLED
    counts = run.stream.statistics(ms(12000))
    assert len(run.labels) >= counts.rgb.received - 2


@pytest.mark.parametrize('rates', [(30, 30), (30, 15), (60, 30), (10, 10)])
@pytest.mark.parametrize('engine_ms', [5, 60, 150])
@pytest.mark.parametrize('dies', [RGB, DEPTH])
def test_labels_go_on_as_promised_when_a_camera_dies_and_returns(
    dies: Modality, engine_ms: float, rates: tuple[int, int]
) -> None:
    lag_ms, jitter_ms = 40, 6
    periods = 1000 / min(rates) if dies is DEPTH else 4 * 1000 / rates[0]
    for phase_ms in (0, 22):
        dead_ms = (2500 + phase_ms, 4500)
        cameras = [
            camera(
                modality,
                hz=rates[modality.value],
                end_ms=6500,
                lag_ms=lag_ms if modality is DEPTH else 0,
                jitter_ms=jitter_ms,
                phase_ms=3 if modality is DEPTH else 0,
                dead_ms=dead_ms if modality is dies else (0, 0),
            )
            for modality in (RGB, DEPTH)
        ]
        run = simulate(*cameras, engine_ms=engine_ms)
        alone = Mode.RGB_ONLY if dies is DEPTH else Mode.DEPTH_ONLY
        assert run.path == [*SETTLED, alone, Mode.RGBD]
        assert run.mode_at(3500) is alone
        assert run.mode_at(6000) is Mode.RGBD
        wait_ms = lag_ms + 2 * jitter_ms + 10
        assert run.gap_ms(dead_ms[0]) <= periods + jitter_ms + wait_ms + engine_ms
        assert run.gap_ms(dead_ms[1]) <= periods + jitter_ms + wait_ms + engine_ms


def test_both_cameras_may_die_and_return() -> None:
    dead_ms = (2000, 3500)
    run = simulate(
        camera(RGB, hz=30, end_ms=5000, dead_ms=dead_ms),
        camera(DEPTH, hz=30, end_ms=5000, lag_ms=40, dead_ms=dead_ms),
    )
    assert run.path == [*SETTLED, Mode.NO_INPUT, *SETTLED]


@pytest.mark.parametrize('depth_first', [False, True])
@pytest.mark.parametrize('stall_ms', [100, 150, 200, 250])
def test_a_machine_that_delivers_in_bursts_keeps_the_mode(
    stall_ms: float, depth_first: bool
) -> None:
    cameras = [
        camera(RGB, hz=30, end_ms=5000, jitter_ms=5),
        camera(DEPTH, hz=30, end_ms=5000, lag_ms=40, jitter_ms=10),
    ]
    run = simulate(
        *(reversed(cameras) if depth_first else cameras),
        stalls=lambda at: -(-at // ms(stall_ms)) * ms(stall_ms),
    )
    assert run.path == SETTLED
    assert RGB in {frame.anchor for frame in run.frames()}
    assert DEPTH not in {frame.anchor for frame in run.frames(1000)}


def test_a_stall_of_the_whole_machine_is_no_fault_of_a_camera() -> None:
    run = simulate(
        camera(RGB, hz=30, end_ms=5000, jitter_ms=5),
        camera(DEPTH, hz=30, end_ms=5000, lag_ms=10, jitter_ms=10),
        stalls=lambda at: ms(3280) if ms(3000) <= at < ms(3280) else at,
    )
    assert run.path == SETTLED
    assert all(frame.rgb is not None for frame in run.frames())


def test_a_slow_engine_fakes_no_staleness() -> None:
    run = simulate(
        camera(RGB, hz=30, end_ms=12000, jitter_ms=5),
        camera(DEPTH, hz=30, end_ms=12000, lag_ms=40, jitter_ms=10),
        engine_ms=900,
    )
    assert run.path == SETTLED
    assert all(frame.depth is not None for frame in run.frames(2000))


@pytest.mark.parametrize('rate', [0.5, 4])
def test_a_bag_played_at_another_rate_pairs_as_well(rate: float) -> None:
    run = simulate(
        camera(RGB, hz=30, end_ms=4000),
        camera(DEPTH, hz=30, end_ms=4000, lag_ms=20),
        stalls=lambda at: round(at / rate),
    )
    assert run.path == SETTLED


def test_a_bag_at_half_rate_dies_by_its_own_rhythm() -> None:
    run = simulate(
        camera(RGB, hz=10, end_ms=9000, dead_ms=(5000, 9000)),
        camera(DEPTH, hz=10, end_ms=9000, lag_ms=10),
        stalls=lambda at: at * 2,
        config=StreamConfig(),
    )
    first = next(frame for frame in run.frames() if frame.anchor is DEPTH)
    assert ms(9800) + 3 * ms(200) <= first.wait_ns + first.receive_ns <= ms(9800) + 4 * ms(200)
    assert run.path[-1] is Mode.DEPTH_ONLY


@pytest.mark.parametrize(('rates'), [(10, 6), (6, 10)])
@pytest.mark.parametrize('phase_ms', [10, 40, 70])
def test_what_the_phase_of_two_rates_leaves_unpaired_was_not_due(
    rates: tuple[int, int], phase_ms: float
) -> None:
    run = simulate(
        camera(RGB, hz=rates[0], end_ms=8000, jitter_ms=3),
        camera(DEPTH, hz=rates[1], end_ms=8000, lag_ms=20, jitter_ms=3, phase_ms=phase_ms),
        until_ms=7900,
    )
    assert run.path == SETTLED


@pytest.mark.parametrize('stamps_s', [0, -3600, 3600, -2])
@pytest.mark.parametrize('back_ms', [(5000, 5000), (5000, 6500), (6500, 5000)])
def test_cameras_that_died_return_in_any_order_and_with_other_stamps(
    back_ms: tuple[float, float], stamps_s: float
) -> None:
    cameras = []
    for modality, back in zip((RGB, DEPTH), back_ms, strict=True):
        images = camera(
            modality, hz=30, end_ms=9000, lag_ms=40 if modality is DEPTH else 0,
            jitter_ms=5, dead_ms=(3000, back),
        )  # fmt: skip
        cameras.append([
            replace(image, stamp_ns=image.stamp_ns + ms(1000 * stamps_s))
            if image.arrival_ns > ms(4000)
            else image
            for image in images
        ])  # fmt: skip
    run = simulate(*cameras, until_ms=8900)
    first = Mode.DEPTH_ONLY if back_ms[1] < back_ms[0] else Mode.RGB_ONLY
    assert run.path == [*SETTLED, Mode.NO_INPUT, first, Mode.RGBD]


def test_a_camera_that_was_away_for_a_minute_is_back_within_a_second() -> None:
    run = simulate(
        camera(RGB, hz=15, end_ms=66_000),
        camera(DEPTH, hz=15, end_ms=66_000, lag_ms=40, jitter_ms=10, dead_ms=(3000, 63_000)),
        until_ms=65_900,
    )
    assert run.path == [*SETTLED, Mode.RGB_ONLY, Mode.RGBD]
    assert run.transitions[-1].at_ns <= ms(64_000)


def test_images_that_arrive_twice_are_counted_and_labeled_once() -> None:
    def doubled(images: list[Event]) -> list[Event]:
        again = [replace(image, arrival_ns=image.arrival_ns + ms(2)) for image in images]
        return sorted(images + again)

    run = simulate(
        doubled(camera(RGB, hz=30, end_ms=4000)),
        doubled(camera(DEPTH, hz=30, end_ms=4000, lag_ms=30)),
    )
    assert run.path == SETTLED
    counts = run.stream.statistics(ms(4000))
    assert counts.rgb.drops['out_of_order'] == counts.depth.drops['out_of_order'] == 120
    assert all(frame.depth is not None for frame in run.frames(200, 3900))


@pytest.mark.parametrize('hz', [30, 60])
@pytest.mark.parametrize('engine_ms', [40, 100, 300])
def test_a_slow_engine_labels_the_newest_pair_and_no_stale_one(
    engine_ms: float, hz: float
) -> None:
    lag_ms, jitter_ms = 40, 5
    run = simulate(
        camera(RGB, hz=hz, end_ms=6000, jitter_ms=jitter_ms),
        camera(DEPTH, hz=hz, end_ms=6000, lag_ms=lag_ms, jitter_ms=jitter_ms),
        engine_ms=engine_ms,
    )
    ages_ms = [
        (at - frame.receive_ns) / 1e6 - engine_ms
        for at, frame in run.labels
        if frame.receive_ns > ms(1000)
    ]
    assert max(ages_ms) <= lag_ms + 2 * jitter_ms + 1000 / hz
    assert all(frame.depth is not None for frame in run.frames(1000))
