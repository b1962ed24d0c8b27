from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest

from m3l_core.frames import Modality, RgbdFrame
from m3l_core.replay.arrivals import Arrival
from m3l_core.replay.faults import faults_of, faulty
from m3l_core.replay.pixels import spoiled
from m3l_core.replay.scenario import FaultConfig, OutagesConfig, Scenario

MS = 1_000_000
PERIOD_NS = 50 * MS
COUNT = 40
START_NS = 7_000 * MS
END_NS = START_NS + (COUNT - 1) * PERIOD_NS + MS


@dataclass(frozen=True)
class Stamp:
    sec: int
    nanosec: int


@dataclass(frozen=True)
class Header:
    stamp: Stamp


@dataclass(frozen=True)
class Message:
    header: Header
    data: int


def recorded() -> list[Arrival]:
    """Both cameras at 20 Hz for two seconds; depth is received 1 ms after color."""
    arrivals = []
    for index in range(COUNT):
        stamp_ns = START_NS + index * PERIOD_NS
        for modality in Modality:
            stamp = Stamp(*divmod(stamp_ns, 10**9))
            arrivals.append(
                Arrival(
                    modality,
                    stamp_ns + modality.value * MS,
                    stamp_ns,
                    stamp_ns,
                    Message(Header(stamp), index),
                )
            )
    return arrivals


def after(*faults: FaultConfig, seed: int = 0) -> list[Arrival]:
    placed = faults_of(Scenario(faults=faults, seed=seed), START_NS, END_NS)
    return list(faulty(recorded(), placed, seed))


def of(arrivals: list[Arrival], modality: Modality) -> list[Arrival]:
    return [arrival for arrival in arrivals if arrival.modality is modality]


def shown(arrivals: list[Arrival]) -> list[int]:
    return [arrival.message.data for arrival in arrivals]


def test_without_faults_nothing_changes() -> None:
    fields = ('modality', 'receive_ns', 'stamp_ns', 'taken_ns', 'message', 'spoils')
    before, now = (
        [tuple(getattr(a, name) for name in fields) for a in arrivals]
        for arrivals in (recorded(), after())
    )
    assert before == now


def test_a_fault_begins_at_its_start_and_ends_just_before_its_end() -> None:
    left = of(
        after(FaultConfig(kind='drop', modality='rgb', start_s=0.5, end_s=1.0)), Modality.RGB
    )
    assert shown(left) == [*range(10), *range(20, COUNT)]


def test_a_fault_without_times_lasts_for_all_of_the_bag() -> None:
    assert of(after(FaultConfig(kind='drop', modality='depth')), Modality.DEPTH) == []


def test_only_the_stream_that_is_meant_is_hit() -> None:
    left = of(after(FaultConfig(kind='drop', modality='depth')), Modality.RGB)
    assert shown(left) == list(range(COUNT))


def test_a_share_of_the_images_is_hit() -> None:
    left = of(after(FaultConfig(kind='drop', modality='rgb', share=0.5), seed=1), Modality.RGB)
    assert 10 < len(left) < 30


def test_delayed_images_come_late_and_in_order() -> None:
    late = after(FaultConfig(kind='delay', modality='depth', ms=120, start_s=0.5, end_s=1.0))
    assert all(a.receive_ns <= b.receive_ns for a, b in pairwise(late))
    depth = of(late, Modality.DEPTH)
    assert shown(depth) == list(range(COUNT))
    lags = [(a.receive_ns - a.stamp_ns) // MS for a in depth]
    assert lags[:10] == [1] * 10
    assert lags[10:20] == [121] * 10
    assert lags[20:23] == [71, 21, 1]  # what comes after must not overtake


def test_jitter_delays_by_chance_and_keeps_the_order() -> None:
    depth = of(after(FaultConfig(kind='jitter', modality='depth', ms=30)), Modality.DEPTH)
    lags = np.array([a.receive_ns - a.stamp_ns for a in depth]) / MS
    assert shown(depth) == list(range(COUNT))
    assert 1 <= lags.min() < 10
    assert 20 < lags.max() <= 31


def test_a_frozen_camera_shows_its_last_image_under_new_stamps() -> None:
    frozen = of(
        after(FaultConfig(kind='freeze', modality='rgb', start_s=0.5, end_s=1.0)), Modality.RGB
    )
    assert shown(frozen) == [*range(10), *[9] * 10, *range(20, COUNT)]
    assert [a.message.header.stamp for a in frozen] == [
        a.message.header.stamp for a in of(recorded(), Modality.RGB)
    ]


def test_a_shifted_clock_moves_stamps_and_not_arrivals() -> None:
    fault = FaultConfig(kind='clock_shift', modality='depth', ms=-20, start_s=1.0)
    for before, now in zip(
        of(recorded(), Modality.DEPTH), of(after(fault), Modality.DEPTH), strict=True
    ):
        moved = 20 * MS if before.receive_ns >= START_NS + 1_000 * MS else 0
        assert now.stamp_ns == before.stamp_ns - moved
        assert now.message.header.stamp == Stamp(*divmod(now.stamp_ns, 10**9))
        assert (now.receive_ns, now.taken_ns) == (before.receive_ns, before.taken_ns)


def test_reordered_images_come_after_the_next_one() -> None:
    swapped = of(after(FaultConfig(kind='reorder', modality='rgb')), Modality.RGB)
    pairs = np.array(shown(swapped)).reshape(-1, 2)
    assert pairs.tolist() == [[index + 1, index] for index in range(0, COUNT, 2)]
    assert all(a.receive_ns <= b.receive_ns for a, b in pairwise(swapped))


def test_outages_are_the_same_for_the_same_seed_only() -> None:
    outages = OutagesConfig(modality='rgb', per_minute=600, shortest_s=0.05, longest_s=0.2)

    def drawn(seed: int) -> list[tuple[int, int]]:
        scenario = Scenario(outages=(outages,), seed=seed)
        return [(f.start_ns, f.end_ns) for f in faults_of(scenario, START_NS, END_NS)]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    for start_ns, end_ns in drawn(1):
        assert START_NS <= start_ns < END_NS
        assert end_ns - start_ns <= 200 * MS


def frame() -> RgbdFrame:
    return RgbdFrame(
        np.full((48, 64, 3), 100, np.uint8), np.full((48, 64), 2.0, np.float32), stamp_ns=5
    )


def spoiled_by(kind: str, modality: Modality, amount: float, index: int = 0) -> RgbdFrame:
    fault = FaultConfig(kind=kind, modality=modality.name.lower(), amount=amount)
    arrival = of(after(fault), modality)[index]
    assert len(arrival.spoils) == 1
    return spoiled(frame(), {modality: arrival.spoils})


def test_black_depth_has_no_readings() -> None:
    arrival = of(after(FaultConfig(kind='blacken', modality='depth')), Modality.DEPTH)[0]
    black = spoiled(frame(), {Modality.DEPTH: arrival.spoils})
    assert black.depth_m is not None
    assert not black.depth_m.any()
    np.testing.assert_array_equal(black.rgb, frame().rgb)


def test_depth_noise_grows_with_the_amount() -> None:
    spread = [
        float(np.std(spoiled_by('noise', Modality.DEPTH, amount).depth_m)) for amount in (1, 2)
    ]
    assert spread == pytest.approx([0.04, 0.08], rel=0.1)  # 1 % of the squared distance


def test_color_noise_stays_in_range() -> None:
    noisy = spoiled_by('noise', Modality.RGB, 10).rgb
    assert noisy is not None
    assert noisy.min() == 0
    assert noisy.max() == 255


@pytest.mark.parametrize('share', [0.0, 0.3, 1.0])
def test_holes_cover_the_share_that_is_asked_for(share: float) -> None:
    holey = spoiled_by('holes', Modality.DEPTH, share).depth_m
    assert holey is not None
    assert float(np.mean(holey == 0)) == pytest.approx(share, abs=0.01)


def test_the_same_image_is_spoiled_alike_and_the_next_one_otherwise() -> None:
    first, again, other = (
        spoiled_by('holes', Modality.DEPTH, 0.3, index).depth_m for index in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
