"""What holds for every sequence of arrivals."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import replace
from itertools import pairwise
from weakref import WeakSet

from hypothesis import given, HealthCheck, settings
from hypothesis import strategies as st
import pytest
from stream_simulation import camera, DEPTH, EPOCH_NS, Event, ms, RGB, Run, simulate

from m3l_core.frames import Modality
from m3l_core.stream import Finding, Mode, Stream, StreamConfig, Taken
from m3l_core.stream.health import Severity

SICK = Finding('rgb_black: 100% of the image is black', Severity.SAYS_NOTHING)
CONFIGS = [
    StreamConfig(),
    StreamConfig(depth_stamp_offset=0.05, stale_after=0.5, unpaired='rgb'),
    StreamConfig(max_pair_gap=0.1, pair_wait=0.2, recovery_frames=1, recovery_time=0.0),
]
MOST_HELD = 100
FEW = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)

ACTIONS = [
    *['rgb', 'depth', 'both', 'take'] * 3,
    *['rgb late', 'depth late', 'jump', 'depth jump', 'zero', 'fallback', 'sick', 'reset', 'set'],
    'clock set back',
]
steps = st.tuples(st.sampled_from(ACTIONS), st.one_of(st.floats(0, 120), st.just(2000.0)))


def held(stream: Stream) -> int:
    ready = sum(1 + (frame.partner is not None) for frame in stream._handover._ready)
    aside = (stream._takeover.fallback, stream._takeover.probe)
    return stream._pairing.held + ready + sum(image is not None for image in aside)


def check_frames(frames: list[Taken], gap_ms: float) -> None:
    """No image twice, no pair beyond the gap, order within each run of one anchor."""
    images = [image for frame in frames for image in (frame.rgb, frame.depth) if image is not None]
    assert max(Counter(map(id, images)).values(), default=1) == 1
    gaps = [abs(frame.pair_gap_ns) for frame in frames if frame.pair_gap_ns is not None]
    assert max(gaps, default=0) <= ms(gap_ms)
    for before, after in pairwise(frames):
        assert after.anchor is not before.anchor or after.stamp_ns > before.stamp_ns


def check_counts(stream: Stream, taken: list[Taken], now_ns: int) -> None:
    """Every image is taken, dropped for a reason, or still held."""
    counts = stream.statistics(now_ns)
    inputs = (counts.rgb, counts.depth, counts.fallback)
    received = sum(counted.received for counted in inputs)
    dropped = sum(sum(counted.drops.values()) for counted in inputs)
    out = sum((frame.rgb is not None) + (frame.depth is not None) for frame in taken)
    assert received == out + dropped + held(stream)


class Script:
    """Does to a stream whatever a list of steps says."""

    def __init__(self) -> None:
        self.stream = Stream(StreamConfig())
        self.taken: list[Taken] = []
        self.now = ms(100_000)
        self.ahead = dict.fromkeys(Modality, EPOCH_NS)

    def step(self, action: str, after_ms: float, number: int) -> None:
        self.now += ms(after_ms)
        word, _, how = action.partition(' ')
        if how == 'set back':
            self.now -= ms(3000)
        elif action == 'jump':
            self.ahead = {stream: ahead - ms(500) for stream, ahead in self.ahead.items()}
        elif how == 'jump':
            self.ahead[DEPTH] += ms(5000)
        for modality, names in ((RGB, ('rgb', 'both')), (DEPTH, ('depth', 'both'))):
            if word in names:
                self.add(modality, number, late=how == 'late')
        if action == 'zero':
            self.stream.add(DEPTH, [number], stamp_ns=0, now_ns=self.now)
        if action == 'fallback':
            self.stream.add_fallback([number], stamp_ns=EPOCH_NS + self.now, now_ns=self.now)
        if action == 'sick':
            self.stream.note_content(RGB, SICK if number % 8 else Finding(), now_ns=self.now)
        if action == 'set':
            self.stream.reconfigure(CONFIGS[number % len(CONFIGS)])
        if action == 'reset':
            self.stream.reset()
        if action == 'take' and (frame := self.stream.take(self.now)):
            self.taken.append(frame)

    def add(self, modality: Modality, number: int, *, late: bool) -> None:
        stamp = self.ahead[modality] + self.now - (ms(150) if late else 0)
        self.stream.add(modality, [number], stamp_ns=stamp, now_ns=self.now)


@FEW
@given(st.lists(steps, min_size=20, max_size=150))
def test_any_sequence_leaves_no_image_unaccounted_for(
    sequence: list[tuple[str, float]],
) -> None:
    script = Script()
    stream = script.stream
    mode = stream.mode
    for number, (action, after_ms) in enumerate(sequence):
        script.step(action, after_ms, number)
        for change in stream.tick(script.now):
            assert (change.previous, change.mode) == (mode, change.mode)
            assert change.reason
            mode = change.mode
        assert mode is stream.mode
        wake = stream.wake_at(script.now)
        assert wake is None or wake >= script.now
        assert held(stream) <= MOST_HELD
        check_counts(stream, script.taken, script.now)
    images = [image for frame in script.taken for image in (frame.rgb, frame.depth) if image]
    assert max(Counter(map(id, images)).values(), default=1) == 1


class Image:
    """Something whose end can be seen."""


@pytest.mark.parametrize('depth_off_ms', [0, 7000, -7000])
@pytest.mark.parametrize('takes', [True, False])
def test_a_stream_keeps_few_images_and_few_numbers(depth_off_ms: float, takes: bool) -> None:
    stream = Stream(StreamConfig())
    alive: WeakSet[Image] = WeakSet()
    numbers = []
    for index in range(1500):
        at = index * ms(10)
        for modality, off_ms in ((RGB, 0), (DEPTH, depth_off_ms)):
            image = Image()
            alive.add(image)
            stamp = EPOCH_NS + at + ms(off_ms)
            stream.add(modality, image, stamp_ns=stamp, now_ns=at)
            del image
        if takes:
            stream.take(at)
        stream.tick(at)
        assert len(alive) <= MOST_HELD
        if index % 100 == 99:
            numbers.append(numbers_in(stream))
    assert max(numbers[8:]) <= max(numbers[:8])


def numbers_in(thing: object, seen: set[int] | None = None) -> int:
    """Count what an object of ours holds, however deep."""
    seen = set() if seen is None else seen
    if id(thing) in seen:
        return 0
    seen.add(id(thing))
    if isinstance(thing, dict):
        return sum(numbers_in(value, seen) + 1 for value in thing.values())
    if isinstance(thing, (list, tuple, deque, set)):
        return sum(numbers_in(value, seen) + 1 for value in thing)
    return numbers_in(vars(thing), seen) if hasattr(thing, '__dict__') else 1


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
    check_frames([frame for _, frame in run.labels], 35)
    # Once both periods are known, the gap is that of the faster one.
    check_frames(run.frames(1000), min(35, 0.57 * 1000 / max(rates)))
    check_counts(run.stream, [frame for _, frame in run.labels], ms(7900))
    assert most_held <= MOST_HELD
    check_modes(run, dies)


def check_modes(run: Run, dies: Modality | None) -> None:
    alone = {RGB: Mode.DEPTH_ONLY, DEPTH: Mode.RGB_ONLY, None: Mode.RGBD}[dies]
    assert run.mode_at(2900) is Mode.RGBD
    assert run.mode_at(4500) is alone
    assert run.mode_at(7900) is Mode.RGBD
    assert run.path == [Mode.RGB_ONLY, Mode.RGBD, *([alone, Mode.RGBD] if dies else [])]
