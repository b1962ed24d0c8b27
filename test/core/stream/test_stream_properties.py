"""What holds for every sequence of arrivals."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

from hypothesis import given, HealthCheck, settings
from hypothesis import strategies as st
from stream_simulation import camera, DEPTH, EPOCH_NS, Event, ms, RGB, Run, simulate

from m3l_core.frames import Modality
from m3l_core.stream import Mode, Stream, StreamConfig, Taken

AUTO_GAP_MOST_NS = ms(35)
MOST_HELD = 100
FEW = settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)

steps = st.tuples(
    st.sampled_from(['rgb', 'depth', 'both', 'take', 'rgb late', 'depth late', 'jump', 'zero']),
    st.floats(0, 120),
)


def held(stream: Stream) -> int:
    return stream._pairing.held + len(stream._handover)


def check_frames(frames: list[Taken]) -> None:
    """No image twice, no pair beyond the gap, order within each run of one anchor."""
    images = [image for frame in frames for image in (frame.rgb, frame.depth) if image is not None]
    assert max(Counter(map(id, images)).values(), default=1) == 1
    gaps = [abs(frame.pair_gap_ns) for frame in frames if frame.pair_gap_ns is not None]
    assert max(gaps, default=0) <= AUTO_GAP_MOST_NS
    for before, after in pairwise(frames):
        assert after.anchor is not before.anchor or after.stamp_ns > before.stamp_ns


def check_counts(stream: Stream, taken: list[Taken], now_ns: int) -> None:
    """Every image is taken, dropped for a reason, or still held."""
    counts = stream.statistics(now_ns)
    received = counts.rgb.received + counts.depth.received
    dropped = sum(counts.rgb.drops.values()) + sum(counts.depth.drops.values())
    out = sum((frame.rgb is not None) + (frame.depth is not None) for frame in taken)
    ready = stream._handover._ready
    inside = stream._pairing.held + sum(1 + (frame.partner is not None) for frame in ready)
    assert received == out + dropped + inside


@FEW
@given(st.lists(steps, max_size=150))
def test_any_sequence_leaves_no_image_unaccounted_for(
    sequence: list[tuple[str, float]],
) -> None:
    stream, taken = Stream(StreamConfig()), []
    now, ahead = ms(1000), EPOCH_NS
    for number, (action, after_ms) in enumerate(sequence):
        now += ms(after_ms)
        if action == 'jump':
            ahead -= ms(500)
        stamp = ahead + now - (ms(150) if 'late' in action else 0)
        for modality, names in ((RGB, ('rgb', 'both')), (DEPTH, ('depth', 'both'))):
            if action.partition(' ')[0] in names:
                stream.add(modality, [number], stamp_ns=stamp, now_ns=now)
        if action == 'zero':
            stream.add(DEPTH, [number], stamp_ns=0, now_ns=now)
        if action == 'take' and (frame := stream.take(now)):
            taken.append(frame)
        stream.tick(now)
        wake = stream.wake_at(now)
        assert wake is None or wake >= now
        assert held(stream) <= MOST_HELD
        check_counts(stream, taken, now)
    images = [image for frame in taken for image in (frame.rgb, frame.depth) if image]
    assert max(Counter(map(id, images)).values(), default=1) == 1


def swapped(images: list[Event], places: list[int]) -> list[Event]:
    """Let some images arrive in the place of the next."""
    images = list(images)
    for place in places:
        i = place % (len(images) - 1)
        first, second = images[i], images[i + 1]
        images[i] = replace(second, arrival_ns=first.arrival_ns)
        images[i + 1] = replace(first, arrival_ns=second.arrival_ns)
    return images


rates = st.sampled_from([(30, 30), (30, 15), (60, 30), (15, 15), (15, 30), (30, 25)])
faults = st.sampled_from([None, RGB, DEPTH])


@FEW
@given(
    rates=rates,
    dies=faults,
    lag_ms=st.floats(0, 110),
    jitter_ms=st.floats(0, 10),
    phase_ms=st.floats(0, 66),
    loss=st.floats(0, 0.04),
    swaps=st.lists(st.integers(0, 10_000), max_size=2),
    burst_ms=st.sampled_from([0, 0, 60]),
    offset_s=st.sampled_from([0.0, -3600.0, 0.25]),
    engine_ms=st.floats(1, 300),
    seed=st.integers(0, 1000),
)
def test_any_pair_of_cameras_is_labeled_in_order_and_in_the_right_mode(
    rates: tuple[int, int],
    dies: Modality | None,
    lag_ms: float,
    jitter_ms: float,
    phase_ms: float,
    loss: float,
    swaps: list[int],
    burst_ms: float,
    offset_s: float,
    engine_ms: float,
    seed: int,
) -> None:
    dead_ms = (3000.0, 5000.0)
    cameras = [
        camera(
            modality,
            hz=rates[modality.value],
            end_ms=8000,
            lag_ms=lag_ms if modality is DEPTH else 0,
            jitter_ms=jitter_ms,
            phase_ms=phase_ms if modality is DEPTH else 0,
            dead_ms=dead_ms if modality is dies else (0, 0),
            loss=loss,
            seed=seed,
        )
        for modality in (RGB, DEPTH)
    ]
    # A depth clock that is off, and the offset that mends it.
    off = [replace(image, stamp_ns=image.stamp_ns - ms(offset_s * 1000)) for image in cameras[1]]
    burst_ns = ms(burst_ms)
    most_held = 0

    def watch(stream: Stream) -> None:
        nonlocal most_held
        most_held = max(most_held, held(stream))

    run = simulate(
        swapped(cameras[0], swaps),
        swapped(off, swaps),
        engine_ms=engine_ms,
        config=StreamConfig(depth_stamp_offset=offset_s),
        stalls=(lambda at: -(-at // burst_ns) * burst_ns) if burst_ns else None,
        each=watch,
        until_ms=7900,
    )
    check_frames([frame for _, frame in run.labels])
    check_counts(run.stream, [frame for _, frame in run.labels], ms(7900))
    assert most_held <= MOST_HELD
    check_modes(run, dies)


def check_modes(run: Run, dies: Modality | None) -> None:
    alone = {RGB: Mode.DEPTH_ONLY, DEPTH: Mode.RGB_ONLY, None: Mode.RGBD}[dies]
    assert run.mode_at(2900) is Mode.RGBD
    assert run.mode_at(4500) is alone
    assert run.mode_at(7900) is Mode.RGBD
    assert run.path == [Mode.RGB_ONLY, Mode.RGBD, *([alone, Mode.RGBD] if dies else [])]
