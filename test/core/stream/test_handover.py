"""Rule 9: what a busy engine gets."""

from __future__ import annotations

from stream_simulation import DEPTH, ms, RGB

from m3l_core.stream.handover import Handover
from m3l_core.stream.pairing import Resolved
from m3l_core.stream.source import Arrival

PERIOD_NS = ms(33)


def frame(index: int, *, pair: bool) -> Resolved:
    at = index * PERIOD_NS
    partner = Arrival(DEPTH, None, at, at, at) if pair else None
    return Resolved(Arrival(RGB, None, at, at, at), partner, at, 'paired' if pair else 'deadline')


def taken(handover: Handover, *, rgbd: bool = True) -> Resolved | None:
    return handover.take(rgbd=rgbd, period_ns=PERIOD_NS)[0]


def test_a_busy_engine_gets_the_newest_pair_and_the_others_are_superseded() -> None:
    handover = Handover()
    pairs = [frame(i, pair=True) for i in range(4)]
    superseded = [old for pair in pairs for old in handover.offer([pair])]
    assert superseded == pairs[:3]
    assert taken(handover) is pairs[3]
    assert taken(handover) is None


def test_while_rgbd_a_lone_frame_one_period_newer_comes_after_the_pair() -> None:
    handover = Handover()
    pair, lone = frame(0, pair=True), frame(1, pair=False)
    handover.offer([pair])
    handover.offer([lone])
    assert taken(handover) is pair
    assert taken(handover) is lone


def test_a_lone_frame_two_periods_newer_displaces_the_pair() -> None:
    handover = Handover()
    pair, lone = frame(0, pair=True), frame(2, pair=False)
    handover.offer([pair])
    handover.offer([lone])
    assert handover.take(rgbd=True, period_ns=PERIOD_NS) == (lone, [pair])


def test_while_not_rgbd_the_newest_frame_is_taken() -> None:
    handover = Handover()
    pair, lone = frame(0, pair=True), frame(1, pair=False)
    handover.offer([pair])
    handover.offer([lone])
    assert taken(handover, rgbd=False) is lone


def test_a_newer_pair_displaces_a_lone_frame() -> None:
    handover = Handover()
    lone, pair = frame(0, pair=False), frame(1, pair=True)
    handover.offer([lone])
    handover.offer([pair])
    assert handover.take(rgbd=True, period_ns=PERIOD_NS) == (pair, [lone])


def test_an_engine_that_waited_gets_all_of_one_instant_in_order() -> None:
    handover = Handover()
    assert taken(handover) is None
    batch = [frame(0, pair=False), frame(1, pair=False), frame(2, pair=True)]
    assert handover.offer(batch) == []
    assert [taken(handover) for _ in range(4)] == [*batch, None]


def test_an_engine_that_fell_behind_gets_only_the_newest() -> None:
    handover = Handover()
    assert taken(handover) is None
    batch = [frame(0, pair=False), frame(1, pair=False), frame(2, pair=True)]
    handover.offer(batch)
    assert taken(handover) is batch[0]
    newer = frame(3, pair=True)
    assert handover.offer([newer]) == [batch[2]]
    assert taken(handover) is newer


def test_a_handover_keeps_two_frames_however_many_are_offered() -> None:
    handover = Handover()
    for index in range(100):
        handover.offer([frame(2 * index, pair=False), frame(2 * index + 1, pair=True)])
    assert len(handover) == 2


def test_an_engine_that_wakes_up_gets_what_became_ready_meanwhile() -> None:
    handover = Handover()
    assert taken(handover) is None
    batches = [frame(3, pair=False), frame(3, pair=True)]
    assert [handover.offer([ready]) for ready in batches] == [[], []]
    assert [taken(handover), taken(handover)] == batches


def test_an_engine_that_does_not_come_gets_only_the_newest() -> None:
    handover = Handover()
    assert taken(handover) is None
    lone, pair = frame(3, pair=False), frame(4, pair=True)
    handover.offer([lone])
    handover.offer([pair])
    assert taken(handover) is pair
