"""Times and stamps of a played bag, by hand."""

from __future__ import annotations

import struct

import pytest

from m3l_core.errors import M3lError
from m3l_perception.cdr_stamp import with_stamp
from m3l_perception.timeline import Drop, Timeline

S = 1_000_000_000


def timeline(loop: str = 'once', rate: float = 1.0) -> Timeline:
    return Timeline(start_ns=100 * S, pass_ns=10 * S, origin_ns=5000 * S, rate=rate, loop=loop)


def test_message_is_due_as_long_after_the_origin_as_it_was_after_the_start() -> None:
    assert timeline().due_ns(103 * S, 0) == 5003 * S
    assert timeline(rate=2.0).due_ns(103 * S, 0) == 5001.5 * S


def test_stamp_keeps_its_lead_over_the_time_of_receipt() -> None:
    assert timeline().stamp_ns(99 * S, 0) == 4999 * S


def test_loop_continues_stamps_or_repeats_them_while_time_goes_on() -> None:
    assert timeline('continue').stamp_ns(103 * S, 2) == 5023 * S
    assert timeline('jump').stamp_ns(103 * S, 2) == 5003 * S
    assert timeline('jump').due_ns(103 * S, 2) == 5023 * S


def test_player_that_starts_late_joins_the_pass_that_runs() -> None:
    assert timeline('continue').pass_at(5025 * S) == 2
    assert timeline('continue').pass_at(4000 * S) == 0
    assert timeline('once').pass_at(5025 * S) == 0


def test_drop_hides_its_first_moment_but_not_its_last() -> None:
    drop = Drop.parse('depth:3s..6.5s')
    assert drop == Drop('depth', 3.0, 6.5)
    hidden = [drop.hides(round(at * S)) for at in (2.999, 3.0, 6.499, 6.5)]
    assert hidden == [False, True, True, False]
    assert Drop.parse('/a/b:0..1').what == '/a/b'


@pytest.mark.parametrize('text', ['depth', 'depth:3s', 'depth:6..3', 'depth:a..b', ':1..2..3'])
def test_what_is_no_drop_is_refused(text: str) -> None:
    with pytest.raises(M3lError, match=r'^--drop: expected TOPIC:FROM\.\.TO in seconds, got '):
        Drop.parse(text)


@pytest.mark.parametrize(('order', 'flag'), [('<', 1), ('>', 0)])
def test_stamp_is_moved_in_either_byte_order_and_nothing_else(order: str, flag: int) -> None:
    head = bytes((0, flag, 0, 0))
    data = head + struct.pack(f'{order}iI', 7, 999_999_999) + b'rest'
    moved = with_stamp(data, lambda stamp_ns: stamp_ns + 1)
    assert moved == head + struct.pack(f'{order}iI', 8, 0) + b'rest'


def test_unknown_stamp_stays_unknown() -> None:
    data = bytes((0, 1, 0, 0)) + bytes(8) + b'rest'
    assert with_stamp(data, lambda stamp_ns: stamp_ns + 1) == data
