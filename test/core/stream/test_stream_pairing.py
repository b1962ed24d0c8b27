"""Rules 1 and 2: which images pair, and how long an anchor waits."""

from __future__ import annotations

import pytest
from stream_simulation import DEPTH, EPOCH_NS, ms, RGB

from m3l_core.stream import Stream, StreamConfig, Taken


def rgb(stream: Stream, stamp_ms: float, *, at_ms: float | None = None) -> None:
    at = stamp_ms if at_ms is None else at_ms
    stream.add(RGB, f'rgb {stamp_ms}', stamp_ns=EPOCH_NS + ms(stamp_ms), now_ns=ms(at))


def depth(stream: Stream, stamp_ms: float, *, at_ms: float | None = None) -> None:
    at = stamp_ms if at_ms is None else at_ms
    stream.add(DEPTH, f'depth {stamp_ms}', stamp_ns=EPOCH_NS + ms(stamp_ms), now_ns=ms(at))


def take(stream: Stream, at_ms: float) -> tuple[object, object] | None:
    taken = stream.take(ms(at_ms))
    return None if taken is None else (taken.rgb, taken.depth)


def taken(stream: Stream, at_ms: float) -> Taken:
    frame = stream.take(ms(at_ms))
    assert frame is not None
    return frame


def steady(stream: Stream, *, hz: float = 30, frames: int = 40, lag_ms: float = 0) -> float:
    """Feed both streams evenly, take everything, and return when the next image is due."""
    period = 1000 / hz
    for index in range(frames):
        rgb(stream, index * period)
        while stream.take(ms(index * period)):
            pass
        depth(stream, index * period, at_ms=index * period + lag_ms)
        while stream.take(ms(index * period + lag_ms)):
            pass
    return frames * period


def test_images_of_one_moment_pair_and_tell_their_gap_and_wait() -> None:
    stream = Stream(StreamConfig())
    rgb(stream, 100)
    depth(stream, 104, at_ms=140)
    frame = taken(stream, 141)
    assert (frame.rgb, frame.depth, frame.anchor) == ('rgb 100', 'depth 104', RGB)
    assert (frame.pair_gap_ns, frame.wait_ns) == (ms(4), ms(40))
    assert (frame.stamp_ns, frame.receive_ns) == (EPOCH_NS + ms(100), ms(100))
    assert frame.reason == 'paired'


@pytest.mark.parametrize(('gap_ms', 'pairs'), [(-20, True), (-20.1, False), (20, True)])
def test_a_gap_pairs_up_to_the_limit_that_is_set(gap_ms: float, pairs: bool) -> None:
    stream = Stream(StreamConfig(max_pair_gap=0.02))
    depth(stream, 100 + gap_ms, at_ms=100)
    rgb(stream, 100)
    assert (take(stream, 100) is not None) is pairs


@pytest.mark.parametrize(
    ('rgb_hz', 'depth_hz', 'gap_ms'), [(30, 30, 18.3), (60, 30, 9.2), (30, 15, 18.3), (10, 10, 35)]
)
def test_the_gap_is_learned_from_the_faster_stream(
    rgb_hz: float, depth_hz: float, gap_ms: float
) -> None:
    stream = Stream(StreamConfig())
    images = [(i * 1000 / rgb_hz, rgb) for i in range(20)]
    images += [(i * 1000 / depth_hz, depth) for i in range(20)]
    for stamp_ms, add in sorted(images, key=lambda image: image[0]):
        add(stream, stamp_ms)
    assert stream.statistics(ms(2000)).gap_ns / 1e6 == pytest.approx(gap_ms, abs=0.05)


def test_the_nearest_depth_wins() -> None:
    stream = Stream(StreamConfig())
    depth(stream, 90, at_ms=98)
    depth(stream, 105, at_ms=99)
    rgb(stream, 100)
    assert take(stream, 100) == ('rgb 100', 'depth 105')


def test_the_nearest_rgb_wins() -> None:
    stream = Stream(StreamConfig())
    rgb(stream, 100)
    rgb(stream, 115)
    depth(stream, 110, at_ms=120)
    assert take(stream, 120) == ('rgb 115', 'depth 110')


def test_a_depth_image_is_used_once() -> None:
    stream = Stream(StreamConfig())
    depth(stream, 100)
    rgb(stream, 101)
    assert take(stream, 101) == ('rgb 101', 'depth 100')
    rgb(stream, 108)
    assert take(stream, 400) == ('rgb 108', None)


def test_one_lost_image_does_not_shift_later_pairs_however_wide_the_gap() -> None:
    stream = Stream(StreamConfig(max_pair_gap=0.05))
    start = steady(stream, lag_ms=10)
    gaps = []
    for index in range(20):
        at = start + index * 100 / 3
        if index != 5:
            rgb(stream, at)
        stream.take(ms(at))
        depth(stream, at, at_ms=at + 10)
        if frame := stream.take(ms(at + 10)):
            gaps.append(frame.pair_gap_ns)
    assert gaps == [0] * 19


def test_the_offset_is_added_to_depth_stamps_but_not_to_what_is_published() -> None:
    stream = Stream(StreamConfig(depth_stamp_offset=-0.5))
    rgb(stream, 100)
    depth(stream, 603, at_ms=103)
    frame = taken(stream, 103)
    assert frame.depth == 'depth 603'
    assert frame.pair_gap_ns == ms(3)
    assert frame.stamp_ns == EPOCH_NS + ms(100)


@pytest.mark.parametrize(('at_ms', 'is_out'), [(249.9, False), (250, True)])
def test_an_anchor_waits_150_ms_until_the_lag_is_learned(at_ms: float, is_out: bool) -> None:
    stream = Stream(StreamConfig())
    depth(stream, 10)
    rgb(stream, 100)
    assert stream.wake_at(ms(100)) == ms(250)
    frame = stream.take(ms(at_ms))
    assert (frame is not None) is is_out
    assert frame is None or frame.reason == 'deadline'


def test_waiting_ends_when_depth_is_beyond_the_anchor() -> None:
    stream = Stream(StreamConfig(max_pair_gap=0.02))
    rgb(stream, 100)
    depth(stream, 120.1, at_ms=121)
    assert taken(stream, 121).reason == 'no_partner'


def test_waiting_goes_on_while_depth_may_still_pair() -> None:
    stream = Stream(StreamConfig(max_pair_gap=0.02))
    rgb(stream, 100)
    depth(stream, 79, at_ms=121)
    assert take(stream, 122) is None


def test_the_wait_becomes_the_lag_and_a_margin() -> None:
    stream = Stream(StreamConfig())
    steady(stream, lag_ms=25)
    assert stream.statistics(ms(1340)).wait_ns == ms(35)


def test_the_wait_that_is_set_is_used() -> None:
    stream = Stream(StreamConfig(pair_wait=0.07))
    steady(stream, lag_ms=25)
    assert stream.statistics(ms(1340)).wait_ns == ms(70)


def test_a_lag_that_grew_is_learned_from_images_that_came_too_late() -> None:
    stream = Stream(StreamConfig())
    start = steady(stream, lag_ms=5)
    paired = []
    for index in range(5):
        at = start + index * 100
        rgb(stream, at)
        frame = stream.take(ms(at + 15))
        depth(stream, at, at_ms=at + 60)
        paired.append((frame or taken(stream, at + 60)).depth is not None)
    assert paired == [False, True, True, True, True]
    assert stream.statistics(ms(start + 500)).wait_ns == ms(70)


def test_an_idle_engine_gets_an_image_alone_before_the_pair_that_settled_it() -> None:
    stream = Stream(StreamConfig())
    assert take(stream, 1) is None
    rgb(stream, 100)
    rgb(stream, 133)
    depth(stream, 133, at_ms=140)
    assert take(stream, 140) == ('rgb 100', None)
    assert take(stream, 145) == ('rgb 133', 'depth 133')


def test_an_image_behind_the_newest_is_dropped_and_counted() -> None:
    stream = Stream(StreamConfig())
    rgb(stream, 100)
    rgb(stream, 66, at_ms=101)
    rgb(stream, 100, at_ms=102)
    depth(stream, 66, at_ms=103)
    depth(stream, 100, at_ms=104)
    assert take(stream, 104) == ('rgb 100', 'depth 100')
    assert take(stream, 1000) is None
    assert stream.statistics(ms(104)).rgb.drops == {'out_of_order': 2}
