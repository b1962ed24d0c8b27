"""Rule 7: two streams that live and are never stamped within the gap."""

from __future__ import annotations

from dataclasses import replace

import pytest
from stream_simulation import camera, DEPTH, Event, ms, RGB, Run, simulate

from m3l_core.stream import Mode, StreamConfig

SETTLED = [Mode.RGB_ONLY, Mode.RGBD]


def off(images: list[Event], by_ms: float, *, from_ms: float = 0) -> list[Event]:
    """Put the clock that stamps these images off."""
    return [
        replace(image, stamp_ns=image.stamp_ns + ms(by_ms))
        if image.arrival_ns >= ms(from_ms)
        else image
        for image in images
    ]


def rgb(hz: float = 30, **how: float) -> list[Event]:
    return camera(RGB, hz=hz, end_ms=5000, jitter_ms=5, **how)  # type: ignore[arg-type]


def depth(hz: float = 30, **how: float) -> list[Event]:
    return camera(DEPTH, hz=hz, end_ms=5000, lag_ms=20, jitter_ms=10, **how)  # type: ignore[arg-type]


def offset_s(run: Run) -> float:
    offset_ns = run.stream.statistics(ms(5000)).offset_ns
    assert offset_ns is not None
    return offset_ns / 1e9


def test_half_a_slow_period_apart_is_named_with_the_offset_to_set() -> None:
    run = simulate(camera(RGB, hz=10, end_ms=5000), camera(DEPTH, hz=10, end_ms=5000, phase_ms=45))
    assert run.path == [Mode.RGB_ONLY]
    assert run.stream.reason == (
        'unsynchronised: depth is stamped +45.0 ms from RGB, at most 35.0 ms pair; '
        'set depth_stamp_offset to -0.045'
    )
    assert run.stream.statistics(ms(5000)).skew_ns == ms(45)


def test_nothing_waits_for_depth_that_is_never_stamped_alike() -> None:
    run = simulate(camera(RGB, hz=10, end_ms=5000), camera(DEPTH, hz=10, end_ms=5000, phase_ms=45))
    frames = run.frames(2000, 4900)
    assert {(frame.reason, frame.wait_ns) for frame in frames} == {('unsynchronised', 0)}
    assert len(frames) == 29


@pytest.mark.parametrize('by_ms', [-3_600_000, -30_000, -2500, 1500, 12_000, 3_600_000])
def test_the_offset_of_another_clock_is_found_and_mends_it(by_ms: float) -> None:
    run = simulate(rgb(), off(depth(), by_ms))
    assert run.path == [Mode.RGB_ONLY]
    assert run.stream.reason.startswith('unsynchronised: depth is stamped ')
    assert offset_s(run) == pytest.approx(-by_ms / 1000, abs=0.04)
    config = StreamConfig(depth_stamp_offset=offset_s(run))
    assert simulate(rgb(), off(depth(), by_ms), config=config).path == SETTLED


def test_an_offset_that_is_set_already_is_part_of_the_one_to_set() -> None:
    config = StreamConfig(depth_stamp_offset=-1000.0)
    run = simulate(rgb(), off(depth(), 1005_000), config=config)
    assert offset_s(run) == pytest.approx(-1005, abs=0.04)


def test_a_depth_clock_that_is_set_ends_rgbd_for_that_reason() -> None:
    run = simulate(rgb(), off(depth(), 7000, from_ms=3000))
    assert run.path == [*SETTLED, Mode.RGB_ONLY]
    assert run.transitions[-1].reason.startswith('unsynchronised: depth is stamped +6')
    assert run.transitions[-1].at_ns <= ms(3700)


def test_clocks_that_are_brought_together_bring_rgbd_back() -> None:
    images = [
        *[image for image in off(depth(), 7000) if image.arrival_ns < ms(2500)],
        *[image for image in depth() if image.arrival_ns >= ms(2500)],
    ]
    assert simulate(rgb(), images).path == SETTLED


def test_a_skew_that_varies_has_no_offset_to_set() -> None:
    config = StreamConfig(max_pair_gap=0.001)
    run = simulate(
        camera(RGB, hz=30, end_ms=5000),
        camera(DEPTH, hz=30, end_ms=5000, phase_ms=15, stamp_jitter_ms=9),
        config=config,
    )
    assert run.stream.statistics(ms(5000)).offset_ns is None
    assert run.stream.reason.endswith('it varies: synchronize the clocks of the cameras')


def test_a_gap_that_is_too_small_is_named_with_the_offset_that_fits() -> None:
    config = StreamConfig(max_pair_gap=0.004)
    run = simulate(rgb(), off(depth(), 9), config=config)
    assert run.stream.reason == (
        'unsynchronised: depth is stamped +9.0 ms from RGB, at most 4.0 ms pair; '
        'set depth_stamp_offset to -0.009'
    )


@pytest.mark.parametrize('lag_ms', [200, 700, 1500])
def test_depth_that_is_late_by_less_than_two_seconds_is_late_and_not_of_another_clock(
    lag_ms: float,
) -> None:
    run = simulate(rgb(), camera(DEPTH, hz=30, end_ms=5000, lag_ms=lag_ms), until_ms=4900)
    assert run.path == [Mode.RGB_ONLY]
    assert run.stream.reason.startswith('depth_late: ')


def test_the_skew_of_streams_that_pair_is_known_too() -> None:
    run = simulate(rgb(), off(depth(), -6))
    assert run.path == SETTLED
    counts = run.stream.statistics(ms(5000))
    assert (counts.skew_ns, counts.offset_ns) == (ms(-6), ms(6))


def test_after_a_step_back_the_skew_is_learned_afresh() -> None:
    run = simulate(
        off(rgb(), -5000, from_ms=3000), off(depth(), -5006, from_ms=3000), until_ms=3600
    )
    assert run.stream.statistics(ms(3600)).skew_ns == ms(-6)


def test_images_that_are_lost_are_no_skew() -> None:
    """For a second each moment reaches the node from one camera only; stamps are alike."""

    def thinned(images: list[Event], kept: str) -> list[Event]:
        return [
            image
            for index, image in enumerate(images)
            if not ms(3000) <= image.arrival_ns < ms(4000) or kept[index % len(kept)] == '1'
        ]

    run = simulate(
        thinned(camera(RGB, hz=30, end_ms=5000), '10'),
        thinned(camera(DEPTH, hz=30, end_ms=5000), '01'),
        until_ms=4000,
    )
    assert run.path == [*SETTLED, Mode.RGB_ONLY]
    assert run.stream.reason.startswith('few_pairs: ')
