"""Rules 3 and 4: silence, the change of anchor, and the mode."""

from __future__ import annotations

from dataclasses import replace

import pytest
from stream_simulation import camera, DEPTH, EPOCH_NS, ms, RGB, simulate

from m3l_core.stream import Mode, Stream, StreamConfig

PERIOD = 1000 / 30


def add(stream: Stream, modality: object, at_ms: float) -> None:
    assert modality in (RGB, DEPTH)
    stream.add(modality, at_ms, stamp_ns=EPOCH_NS + ms(at_ms), now_ns=ms(at_ms))


def paired(stream: Stream, *, from_ms: float = 0, frames: int = 40, hz: float = 30) -> float:
    """Feed pairs evenly and return when the last one came."""
    at = from_ms
    for index in range(frames):
        at = from_ms + index * 1000 / hz
        add(stream, RGB, at)
        add(stream, DEPTH, at)
        stream.take(ms(at))
    return at


def rgb_alone(stream: Stream, *, from_ms: float, to_ms: float) -> None:
    at = from_ms + PERIOD
    while at <= to_ms:
        add(stream, RGB, at)
        stream.take(ms(at))
        at += PERIOD


def word(stream: Stream) -> str:
    return stream.reason.partition(':')[0]


def test_without_images_there_is_no_input() -> None:
    stream = Stream(StreamConfig())
    assert stream.tick(ms(5000)) == []
    assert (stream.mode, stream.reason) == (Mode.NO_INPUT, 'starting: no image yet')
    assert stream.wake_at(ms(5000)) is None


def test_rgb_alone_from_the_start_is_labeled_at_once() -> None:
    run = simulate(camera(RGB, hz=30, end_ms=2000))
    assert run.path == [Mode.RGB_ONLY]
    assert len(run.frames()) >= 58
    assert run.stream.reason == 'depth_stale: no depth image yet'


def test_depth_alone_from_the_start_is_labeled_after_the_silence_of_rgb() -> None:
    run = simulate(camera(DEPTH, hz=30, end_ms=2000))
    assert run.path == [Mode.DEPTH_ONLY]
    assert run.transitions[0].at_ns <= ms(301)
    assert run.transitions[0].reason == 'rgb_stale: no rgb image yet'
    assert {frame.anchor for frame in run.frames()} == {DEPTH}


@pytest.mark.parametrize(('frames', 'mode'), [(15, Mode.RGB_ONLY), (16, Mode.RGBD)])
def test_rgbd_begins_when_pairs_came_for_half_a_second(frames: int, mode: Mode) -> None:
    stream = Stream(StreamConfig())
    paired(stream, frames=frames)
    assert stream.mode is mode


def test_silence_is_no_part_of_the_time_for_which_frames_paired() -> None:
    stream = Stream(StreamConfig())
    last = paired(stream, frames=12)
    stream.tick(ms(last + 250))
    assert stream.mode is Mode.RGB_ONLY


@pytest.mark.parametrize(('frames', 'mode'), [(4, Mode.RGB_ONLY), (5, Mode.RGBD)])
def test_rgbd_begins_after_the_frames_that_are_set(frames: int, mode: Mode) -> None:
    stream = Stream(StreamConfig(recovery_frames=5, recovery_time=0))
    paired(stream, frames=frames)
    assert stream.mode is mode


@pytest.mark.parametrize(
    ('silent_ms', 'mode'), [(300, Mode.RGBD), (301, Mode.RGB_ONLY)], ids=['at', 'after']
)
def test_depth_is_lost_just_after_its_silence(silent_ms: float, mode: Mode) -> None:
    stream = Stream(StreamConfig())
    last = paired(stream)
    rgb_alone(stream, from_ms=last, to_ms=last + 290)
    stream.tick(ms(last + silent_ms))
    assert stream.mode is mode


@pytest.mark.parametrize(
    ('silent_ms', 'mode'), [(400, Mode.RGBD), (401, Mode.RGB_ONLY)], ids=['at', 'after']
)
def test_the_silence_that_is_set_counts(silent_ms: float, mode: Mode) -> None:
    stream = Stream(StreamConfig(stale_after=0.4))
    last = paired(stream)
    rgb_alone(stream, from_ms=last, to_ms=last + 390)
    stream.tick(ms(last + silent_ms))
    assert stream.mode is mode


@pytest.mark.parametrize('hz', [5, 30])
@pytest.mark.parametrize('lag_ms', [0, 40, 120])
def test_no_silence_that_is_set_makes_a_live_stream_stale(lag_ms: float, hz: float) -> None:
    run = simulate(
        camera(RGB, hz=hz, end_ms=5000, jitter_ms=3),
        camera(DEPTH, hz=hz, end_ms=5000, lag_ms=lag_ms, jitter_ms=8),
        config=StreamConfig(stale_after=0.01),
        until_ms=4900,
    )
    assert run.path == [Mode.RGB_ONLY, Mode.RGBD]
    assert all(frame.depth is not None for frame in run.frames(2000))


@pytest.mark.parametrize(('silent_ms', 'mode'), [(799, Mode.RGBD), (802, Mode.NO_INPUT)])
def test_a_slow_stream_may_be_silent_for_four_periods(silent_ms: float, mode: Mode) -> None:
    stream = Stream(StreamConfig())
    last = paired(stream, hz=5)
    stream.tick(ms(last + silent_ms))
    assert stream.mode is mode


def test_both_silent_is_no_input_and_names_both() -> None:
    stream = Stream(StreamConfig())
    last = paired(stream)
    stream.tick(ms(last))
    (change,) = stream.tick(ms(last + 310))
    assert change.previous is Mode.RGBD
    assert change.reason == 'no_input: no rgb image for 0.31 s, no depth image for 0.31 s'
    assert stream.tick(ms(last + 400)) == []


def test_depth_takes_over_with_its_newest_image_when_rgb_missed_three() -> None:
    stream = Stream(StreamConfig())
    last = paired(stream)
    for index in (1, 2):
        add(stream, DEPTH, last + index * PERIOD)
    assert stream.take(ms(last + 3 * PERIOD - 1)) is None
    frame = stream.take(ms(last + 3 * PERIOD + 1))
    assert frame is not None
    assert (frame.anchor, frame.depth, frame.rgb) == (DEPTH, last + 2 * PERIOD, None)
    assert frame.reason == 'rgb_missing'
    assert stream.mode is Mode.RGBD  # A hiccup is no mode; silence will be.


def test_depth_does_not_take_over_when_it_is_silent_too() -> None:
    stream = Stream(StreamConfig())
    last = paired(stream)
    add(stream, DEPTH, last + 1)
    assert stream.take(ms(last + 250)) is None


def test_rgb_is_the_anchor_again_with_its_first_image() -> None:
    stream = Stream(StreamConfig())
    last = paired(stream)
    for index in range(1, 20):
        add(stream, DEPTH, last + index * PERIOD)
        stream.take(ms(last + index * PERIOD))
    assert stream.mode is Mode.DEPTH_ONLY
    back = last + 20 * PERIOD
    add(stream, RGB, back)
    add(stream, DEPTH, back)
    frame = stream.take(ms(back))
    assert frame is not None
    assert (frame.anchor, frame.rgb, frame.depth) == (RGB, back, back)
    assert stream.mode is Mode.DEPTH_ONLY
    paired(stream, from_ms=back + PERIOD, frames=16)
    assert stream.mode is Mode.RGBD


def test_a_lone_frame_is_labeled_and_counted_and_changes_no_mode() -> None:
    depth = camera(DEPTH, hz=30, end_ms=5000, lag_ms=40)
    del depth[100]
    run = simulate(camera(RGB, hz=30, end_ms=5000), depth)
    assert run.path == [Mode.RGB_ONLY, Mode.RGBD]
    assert [frame.depth is None for frame in run.frames(1000)].count(True) == 1
    assert run.stream.statistics(ms(5000)).lone == 1


def test_fewer_than_half_of_the_partners_end_rgbd() -> None:
    depth = camera(DEPTH, hz=30, end_ms=6000, lag_ms=20)
    sparse = [image for i, image in enumerate(depth) if i < 90 or i % 8 < 3]
    run = simulate(camera(RGB, hz=30, end_ms=6000), sparse)
    assert run.path == [Mode.RGB_ONLY, Mode.RGBD, Mode.RGB_ONLY]
    assert run.stream.reason == 'few_pairs: fewer than half of the depth images due paired'


def test_more_than_half_of_the_partners_keep_rgbd() -> None:
    depth = camera(DEPTH, hz=30, end_ms=6000, lag_ms=20)
    thinned = [image for i, image in enumerate(depth) if i < 90 or i % 8 < 5]
    run = simulate(camera(RGB, hz=30, end_ms=6000), thinned)
    assert run.path == [Mode.RGB_ONLY, Mode.RGBD]


def test_depth_later_than_the_longest_wait_is_named_and_not_waited_for() -> None:
    rgb = camera(RGB, hz=30, end_ms=4000)
    run = simulate(rgb, camera(DEPTH, hz=30, end_ms=4000, lag_ms=210))
    assert run.path == [Mode.RGB_ONLY]
    assert run.stream.reason == (
        'depth_late: depth comes 0.210 s after RGB; raise pair_wait_max above 0.15 s'
    )
    assert {(frame.reason, frame.wait_ns) for frame in run.frames(1000, 3900)} == {
        ('depth_late', 0)
    }


def test_a_longer_wait_makes_late_depth_usable() -> None:
    rgb, depth = camera(RGB, hz=30, end_ms=4000), camera(DEPTH, hz=30, end_ms=4000, lag_ms=210)
    run = simulate(rgb, depth, config=StreamConfig(pair_wait_max=0.3))
    assert run.path == [Mode.RGB_ONLY, Mode.RGBD]


def test_depth_that_is_no_longer_late_is_used_again() -> None:
    late = camera(DEPTH, hz=30, end_ms=3000, lag_ms=210)
    soon = camera(DEPTH, hz=30, start_ms=3200, end_ms=7000, lag_ms=40)
    run = simulate(camera(RGB, hz=30, end_ms=7000), late + soon)
    assert run.path == [Mode.RGB_ONLY, Mode.RGBD]


@pytest.mark.parametrize(('unpaired', 'labels'), [('skip', 15), ('rgb', 30)])
def test_unpaired_decides_about_images_between_those_of_a_slower_depth(
    unpaired: str, labels: int
) -> None:
    run = simulate(
        camera(RGB, hz=30, end_ms=4000),
        camera(DEPTH, hz=15, end_ms=4000, lag_ms=20),
        config=StreamConfig(unpaired=unpaired),  # type: ignore[arg-type]
    )
    assert run.path == [Mode.RGB_ONLY, Mode.RGBD]
    assert len(run.frames(2000, 3000)) == labels


def test_a_jump_of_the_clock_begins_anew() -> None:
    stream = Stream(StreamConfig())
    last = paired(stream)
    stream.tick(ms(last))
    stream.reset()
    assert stream.mode is Mode.NO_INPUT
    paired(stream)
    assert [change.mode for change in stream.tick(ms(last))] == [
        Mode.NO_INPUT,
        Mode.RGB_ONLY,
        Mode.RGBD,
    ]
    assert word(stream) == 'recovered'


@pytest.mark.parametrize('hz', [10.0, 30.0])
def test_depth_that_hung_is_used_again_at_once_though_it_catches_up(hz: float) -> None:
    """A process that was stopped sends all that was due meanwhile in a burst when it goes on."""
    hung = [
        replace(image, arrival_ns=ms(6000) + number) if image.arrival_ns >= ms(3000) else image
        for number, image in enumerate(camera(DEPTH, hz=hz, end_ms=6000, lag_ms=20))
    ]
    after = camera(DEPTH, hz=hz, start_ms=6000, end_ms=9000, lag_ms=20)
    run = simulate(camera(RGB, hz=hz, end_ms=9000), [*hung, *after], until_ms=8900)
    assert run.path == [Mode.RGB_ONLY, Mode.RGBD, Mode.RGB_ONLY, Mode.RGBD]
    assert run.transitions[-1].at_ns <= ms(6000 + 500 + 3 * 1000 / hz)
