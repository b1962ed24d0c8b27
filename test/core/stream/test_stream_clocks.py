"""Rules 5 and 6: clocks that step, stamps that jump, repeat or are missing."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from stream_simulation import camera, DEPTH, EPOCH_NS, Event, ms, RGB, Run, simulate

from m3l_core.frames import Modality
from m3l_core.stream import Mode, Stream, StreamConfig

SETTLED = [Mode.RGB_ONLY, Mode.RGBD]


def rgb(**how: float) -> list[Event]:
    return camera(RGB, hz=30, end_ms=6000, jitter_ms=5, **how)  # type: ignore[arg-type]


def depth(**how: float) -> list[Event]:
    return camera(DEPTH, hz=30, end_ms=6000, lag_ms=40, jitter_ms=10, **how)  # type: ignore[arg-type]


def stepped(images: list[Event], by_s: float) -> list[Event]:
    """Step the clock that stamps these images after 4 s."""
    step = EPOCH_NS + ms(4000)
    return [
        replace(
            image, stamp_ns=image.stamp_ns + (ms(by_s * 1000) if image.stamp_ns >= step else 0)
        )
        for image in images
    ]


def lone(run: Run) -> int:
    return sum(frame.rgb is None or frame.depth is None for frame in run.frames(2000))


@pytest.mark.parametrize('by_s', [-3600, -12, -0.3, -0.1, 0.1, 12, 3600])
def test_a_step_of_the_system_clock_changes_no_mode(by_s: float) -> None:
    run = simulate(stepped(rgb(), by_s), stepped(depth(), by_s))
    assert run.path == SETTLED
    assert lone(run) <= 3


def test_a_bag_that_starts_again_goes_on_without_a_change_of_mode() -> None:
    loops = []
    for images in (rgb(), depth()):
        again = [replace(image, arrival_ns=image.arrival_ns + ms(6000)) for image in images]
        loops.append(images + again)
    run = simulate(*loops)
    assert run.path == SETTLED
    assert lone(run) <= 3
    assert len(run.frames(6000)) >= 175


def test_a_step_of_one_camera_clock_ends_rgbd_and_its_return_brings_it_back() -> None:
    out = [i for i in depth() if i.arrival_ns < ms(5000)]
    off = [i for i in depth() if ms(5000) <= i.arrival_ns]
    run = simulate(rgb(), out + [replace(i, stamp_ns=i.stamp_ns - ms(5000)) for i in off])
    assert run.path == [*SETTLED, Mode.RGB_ONLY]


def test_a_clock_that_runs_back_resets_without_being_told() -> None:
    stream = Stream(StreamConfig())
    stream.add(RGB, 1, stamp_ns=EPOCH_NS, now_ns=ms(60_000))
    stream.add(RGB, 2, stamp_ns=EPOCH_NS + 1, now_ns=ms(10))
    assert [change.mode for change in stream.tick(ms(10))] == [
        Mode.RGB_ONLY,
        Mode.NO_INPUT,
        Mode.RGB_ONLY,
    ]
    assert stream.statistics(ms(10)).rgb.drops == {'clock_jump': 1}


def test_two_threads_that_read_the_clock_in_another_order_do_no_harm() -> None:
    stream = Stream(StreamConfig())
    stream.add(RGB, 1, stamp_ns=EPOCH_NS, now_ns=ms(100))
    stream.add(DEPTH, 2, stamp_ns=EPOCH_NS, now_ns=ms(99))
    assert stream.take(ms(98)) is not None


def test_images_without_stamps_pair_by_when_they_arrive_and_keep_their_stamp() -> None:
    images = [replace(i, stamp_ns=0) for i in rgb()]
    late = [replace(i, stamp_ns=0) for i in camera(DEPTH, hz=30, end_ms=6000, lag_ms=5)]
    run = simulate(images, late)
    assert run.path == SETTLED
    assert {frame.stamp_ns for frame in run.frames()} == {0}
    assert run.stream.statistics(ms(6000)).rgb.zero_stamps == 180


def test_depth_without_stamps_pairs_with_stamped_rgb() -> None:
    late = [replace(i, stamp_ns=0) for i in camera(DEPTH, hz=30, end_ms=6000, lag_ms=5)]
    run = simulate(rgb(), late)
    assert run.path == SETTLED
    assert all(frame.stamp_ns >= EPOCH_NS for frame in run.frames())


def test_one_image_without_a_stamp_changes_no_mode() -> None:
    images = rgb()
    images[100] = replace(images[100], stamp_ns=0)
    run = simulate(images, depth())
    assert run.path == SETTLED


def test_an_rgb_stream_with_a_stuck_stamp_is_no_live_stream() -> None:
    images = rgb()
    stuck = [replace(image, stamp_ns=images[119].stamp_ns) for image in images[120:]]
    run = simulate(images[:120] + stuck, depth())
    assert run.path == [*SETTLED, Mode.DEPTH_ONLY]
    counts = run.stream.statistics(ms(6000)).rgb
    assert counts.drops['out_of_order'] == 60
    assert (counts.age_ns or 0) > ms(1900)
    assert (counts.heard_age_ns or 0) < ms(50)


def test_reset_counts_what_it_forgets() -> None:
    stream = Stream(StreamConfig())
    stream.add(RGB, 1, stamp_ns=EPOCH_NS, now_ns=ms(0))
    stream.add(DEPTH, 2, stamp_ns=EPOCH_NS + ms(15), now_ns=ms(1))
    stream.add(DEPTH, 3, stamp_ns=EPOCH_NS + ms(49), now_ns=ms(2))
    stream.reset()
    assert stream.take(ms(0)) is None
    counts = stream.statistics(ms(0))
    assert (counts.rgb.drops, counts.depth.drops) == ({'clock_jump': 1}, {'clock_jump': 2})


@pytest.mark.parametrize('by_ms', [2_000.0, 60_000.0, 1e9])
@pytest.mark.parametrize('early', [RGB, DEPTH])
def test_a_clock_set_forward_is_no_fault_and_costs_no_label(by_ms: float, early: Modality) -> None:
    """A simulation or a bag that skips ahead, its stamps as well; nobody was called meanwhile."""
    lags = {early: 0, RGB if early is DEPTH else DEPTH: 20}
    images = sorted(
        replace(
            image,
            arrival_ns=image.arrival_ns + leap_ns,
            stamp_ns=image.stamp_ns + leap_ns,
        )
        for modality in (RGB, DEPTH)
        for image in camera(modality, hz=30, end_ms=8000, lag_ms=lags[modality], jitter_ms=5)
        for leap_ns in [ms(by_ms) if image.stamp_ns >= EPOCH_NS + ms(4000) else 0]
    )
    stream = Stream(StreamConfig())
    path, labels = [], 0
    for image, following in pairwise([*images, replace(images[-1], arrival_ns=ms(1e12))]):
        now: int | None = image.arrival_ns
        stream.add(image.modality, image, stamp_ns=image.stamp_ns, now_ns=image.arrival_ns)
        leaps = following.arrival_ns - image.arrival_ns > ms(1000)
        last_ns = image.arrival_ns if leaps else following.arrival_ns
        while now is not None and now <= last_ns:
            labels += stream.take(now) is not None
            path += [change.mode for change in stream.tick(now)]
            now = stream.wake_at(now + 1)
        if leaps and following.stamp_ns != image.stamp_ns:  # a look just before the next image
            path += [change.mode for change in stream.tick(following.arrival_ns - 1)]
    assert path == SETTLED
    assert labels >= len(images) / 2 - 2
    assert stream.statistics(images[-1].arrival_ns).depth.drops.get('clock_jump', 0) == 0


@pytest.mark.parametrize('hz', [10, 30])
@pytest.mark.parametrize('lag_ms', [0, 40, 100])
def test_a_simulated_clock_of_ten_ticks_a_second_changes_no_mode(lag_ms: float, hz: float) -> None:
    images = sorted([
        *camera(RGB, hz=hz, end_ms=6000, jitter_ms=3),
        *camera(DEPTH, hz=hz, end_ms=6000, lag_ms=lag_ms, jitter_ms=8),
    ])  # fmt: skip
    stream = Stream(StreamConfig())
    path, frames = [], []
    for at in range(0, ms(5900), ms(5)):  # A node looks often, for it does not know the pace.
        now = at // ms(100) * ms(100)
        while images[0].arrival_ns <= at:
            image = images.pop(0)
            stream.add(image.modality, image, stamp_ns=image.stamp_ns, now_ns=now)
        taken = stream.take(now)
        frames += [taken] if taken is not None else []
        path += [change.mode for change in stream.tick(now)]
    assert path == SETTLED
    settled = [frame for frame in frames if frame.stamp_ns > EPOCH_NS + ms(2000)]
    assert len(settled) >= 3.7 * hz - 1
    assert all(frame.depth is not None for frame in settled)


def test_silence_after_a_leap_still_counts() -> None:
    stream = Stream(StreamConfig())
    for image in sorted([*camera(RGB, hz=30, end_ms=3000), *camera(DEPTH, hz=30, end_ms=3000)]):
        now = image.arrival_ns
        stream.add(image.modality, image, stamp_ns=image.stamp_ns, now_ns=now)
    assert stream.mode is Mode.RGBD
    stream.tick(ms(63_000))
    assert stream.mode is Mode.RGBD
    stream.tick(ms(63_400))
    assert stream.mode is Mode.NO_INPUT
