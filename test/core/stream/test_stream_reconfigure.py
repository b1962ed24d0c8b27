"""Settings that change while the stream runs: nothing is lost, and nothing begins anew."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest
from stream_simulation import camera, DEPTH, EPOCH_NS, Event, ms, RGB, Run, simulate

from m3l_core.stream import Mode, Stream, StreamConfig

SETTLED = [Mode.RGB_ONLY, Mode.RGBD]
HARMLESS = [
    StreamConfig(max_pair_gap=0.02),
    StreamConfig(pair_wait=0.1),
    StreamConfig(pair_wait_max=0.2),
    StreamConfig(stale_after=0.4),
    StreamConfig(recovery_frames=9),
    StreamConfig(recovery_time=2.0),
    StreamConfig(unpaired='rgb'),
    StreamConfig(depth_stamp_offset=0.004),
]


def cameras(end_ms: float = 8000, **how: float) -> tuple[list[Event], list[Event]]:
    return (
        camera(RGB, hz=30, end_ms=end_ms, jitter_ms=5),
        camera(DEPTH, hz=30, end_ms=end_ms, lag_ms=40, jitter_ms=10, **how),  # type: ignore[arg-type]
    )


class Changes:
    """Gives a stream other settings at set times, counted in its own images."""

    def __init__(self, *changes: tuple[int, StreamConfig]) -> None:
        self._changes = list(changes)

    def __call__(self, stream: Stream) -> None:
        received = stream.statistics(0).rgb.received
        while self._changes and received >= self._changes[0][0]:
            stream.reconfigure(self._changes.pop(0)[1])


def labels(run: Run) -> list[tuple[int, bool]]:
    return [(frame.stamp_ns, frame.depth is not None) for _, frame in run.labels]


@pytest.mark.parametrize('config', HARMLESS, ids=repr)
def test_healthy_streams_give_the_same_labels_and_modes_as_without_the_change(
    config: StreamConfig,
) -> None:
    changed = simulate(*cameras(), each=Changes((120, config)), until_ms=7900)
    same = simulate(*cameras(), until_ms=7900)
    assert changed.path == same.path == SETTLED
    assert labels(changed) == labels(same)
    after, before = (run.stream.statistics(ms(7900)) for run in (changed, same))
    assert after.rgb == before.rgb
    assert (after.pairs, after.lone, after.lag_ns) == (before.pairs, before.lone, before.lag_ns)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.integers(60, 230), st.sampled_from(HARMLESS)), max_size=12),
    st.integers(0, 1000),
)
def test_any_changes_at_any_time_lose_no_label_and_no_mode(
    changes: list[tuple[int, StreamConfig]], seed: int
) -> None:
    changes.sort(key=lambda change: change[0])
    rgb, depth = cameras(seed=seed)
    run = simulate(rgb, depth, each=Changes(*changes), until_ms=7900)
    assert run.path == SETTLED
    stamps = [frame.stamp_ns for _, frame in run.labels]
    assert stamps == [image.stamp_ns for image in rgb][: len(stamps)]
    assert len(rgb) - len(stamps) <= 5
    settled = [frame for _, frame in run.labels if frame.receive_ns > ms(2000)]
    assert all(frame.depth is not None for frame in settled)


def test_an_offset_set_while_images_wait_pairs_them() -> None:
    """The clock of depth is 0.2 s behind; it is told after 4 s, by what the stream says."""
    rgb, depth = cameras()
    depth = [replace(image, stamp_ns=image.stamp_ns - ms(200)) for image in depth]
    told = Changes((120, StreamConfig(depth_stamp_offset=0.2)))
    run = simulate(rgb, depth, each=told, until_ms=7900)
    assert run.path == SETTLED
    assert run.mode_at(3900) is Mode.RGB_ONLY
    assert run.mode_at(6000) is Mode.RGBD
    counts = run.stream.statistics(ms(7900))
    assert counts.depth.drops.get('out_of_order', 0) == 0
    assert len(run.labels) >= len(rgb) - 5


def test_an_offset_that_goes_back_is_no_jump_of_the_stamps() -> None:
    rgb, depth = cameras()
    depth = [replace(image, stamp_ns=image.stamp_ns - ms(200)) for image in depth]
    stream = Stream(StreamConfig(depth_stamp_offset=0.2))
    for image in sorted([*rgb, *depth]):
        if image.arrival_ns > ms(4000):
            stream.reconfigure(StreamConfig(depth_stamp_offset=0.0))
        stream.add(image.modality, image, stamp_ns=image.stamp_ns, now_ns=image.arrival_ns)
    drops = stream.statistics(ms(8000)).depth.drops
    assert drops.get('clock_jump', 0) == drops.get('out_of_order', 0) == 0


def test_an_offset_moves_the_depth_that_is_held() -> None:
    stream = Stream(StreamConfig())
    stream.add(DEPTH, 'depth', stamp_ns=EPOCH_NS, now_ns=ms(10))
    stream.reconfigure(StreamConfig(depth_stamp_offset=0.2))
    stream.add(RGB, 'rgb', stamp_ns=EPOCH_NS + ms(200), now_ns=ms(11))
    taken = stream.take(ms(12))
    assert taken is not None
    assert (taken.rgb, taken.depth, taken.pair_gap_ns) == ('rgb', 'depth', 0)


def test_a_shorter_silence_counts_at_once() -> None:
    rgb, depth = cameras(end_ms=3000)
    stream = Stream(StreamConfig(stale_after=10.0))
    for image in sorted([*rgb, *depth]):
        now = image.arrival_ns
        stream.add(image.modality, image, stamp_ns=image.stamp_ns, now_ns=now)
    assert stream.mode is Mode.RGBD
    stream.tick(ms(4000))
    assert stream.mode is Mode.RGBD
    stream.reconfigure(StreamConfig(stale_after=0.3))
    assert [change.mode for change in stream.tick(ms(4000))] == [Mode.NO_INPUT]


def test_recovery_that_lasts_longer_is_waited_for() -> None:
    rgb, depth = cameras(end_ms=8000, dead_ms=(3000.0, 4000.0))  # type: ignore[arg-type]
    slow = Changes((100, StreamConfig(recovery_time=2.0)))
    run = simulate(rgb, depth, each=slow, until_ms=7900)
    assert run.mode_at(5800) is Mode.RGB_ONLY
    assert run.mode_at(6500) is Mode.RGBD
