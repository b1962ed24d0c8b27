"""At most so many frames a second."""

from __future__ import annotations

import pytest

from m3l_core.stream.throttle import Throttle


def admitted(throttle: Throttle, *, rate: float, frames: int, start_ns: int = 0) -> list[int]:
    """Return which of so many frames at `rate` are admitted."""
    return [i for i in range(frames) if throttle.admits(start_ns + round(i * 1e9 / rate))]


@pytest.mark.parametrize(
    ('max_rate', 'expected'),
    [
        (0.0, [0, 1, 2, 3, 4, 5, 6, 7, 8]),
        (30.0, [0, 1, 2, 3, 4, 5, 6, 7, 8]),
        (10.0, [0, 3, 6]),
        (20.0, [0, 2, 3, 5, 6, 8]),
        (100.0, [0, 1, 2, 3, 4, 5, 6, 7, 8]),
    ],
)
def test_rate_holds_on_average(max_rate: float, expected: list[int]) -> None:
    assert admitted(Throttle(max_rate), rate=30, frames=9) == expected


def test_frame_that_is_a_tenth_of_the_interval_early_is_admitted() -> None:
    throttle = Throttle(10.0)
    assert throttle.admits(0)
    assert not throttle.admits(89_999_999)
    assert throttle.admits(90_000_000)


def test_silence_is_not_made_up_for() -> None:
    throttle = Throttle(10.0)
    assert throttle.admits(0)
    assert admitted(throttle, rate=30, frames=7, start_ns=10**10) == [0, 3, 6]


def test_clock_that_is_set_back_stops_nothing() -> None:
    throttle = Throttle(10.0)
    assert throttle.admits(10**12)
    assert admitted(throttle, rate=30, frames=7) == [0, 3, 6]
