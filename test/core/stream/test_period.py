from __future__ import annotations

import pytest
from stream_simulation import ms

from m3l_core.stream.period import LagEstimator, PeriodEstimator


def learned(steps: list[tuple[float, float]]) -> PeriodEstimator:
    period = PeriodEstimator()
    for stamp_ms, arrival_ms in steps:
        period.learn(ms(stamp_ms), ms(arrival_ms))
    return period


def test_the_stamp_period_is_known_after_three_steps() -> None:
    assert learned([(33, 33)] * 2).stamp_ns is None
    assert learned([(33, 33)] * 3).stamp_ns == ms(33)


def test_lost_images_do_not_stretch_the_stamp_period() -> None:
    assert learned([(33, 33), (66, 66), (33, 33)] * 10).stamp_ns == ms(33)


def test_bursts_do_not_shorten_the_period_of_arrivals() -> None:
    bursts = [(33, 0), (33, 0), (33, 0), (33, 132)] * 8
    assert learned(bursts).arrival_ns == ms(33)


def test_images_without_stamps_in_bursts_have_their_mean_period() -> None:
    assert learned([(0, 0), (0, 0), (99, 99)] * 10).stamp_ns == pytest.approx(ms(33), rel=0.1)


def test_a_bag_played_at_half_rate_arrives_at_half_rate() -> None:
    period = learned([(33, 66)] * 20)
    assert (period.stamp_ns, period.arrival_ns) == (ms(33), ms(66))


def test_an_outage_is_no_step() -> None:
    period = learned([(33, 33)] * 20 + [(5000, 5000)] + [(33, 33)] * 5)
    assert period.arrival_ns == ms(33)


def test_a_leap_of_the_stamps_is_no_step() -> None:
    period = learned([(33, 33)] * 20 + [(3_600_000, 33)] + [(33, 33)] * 5)
    assert (period.stamp_ns, period.arrival_ns) == (ms(33), ms(33))


def test_three_outages_in_a_row_are_a_slower_stream() -> None:
    assert learned([(33, 33)] * 20 + [(500, 500)] * 2).arrival_ns == ms(33)
    assert learned([(33, 33)] * 20 + [(500, 500)] * 3).arrival_ns == ms(500)


def lags(*values_ms: float) -> LagEstimator:
    lag = LagEstimator()
    for value_ms in values_ms:
        lag.learn(ms(value_ms))
    return lag


def test_the_wait_is_learned_from_twenty_lags() -> None:
    assert lags(*[40] * 19).p99_ns is None
    assert lags(*[40] * 20).p99_ns == ms(40)


def test_one_outlier_in_a_hundred_does_not_set_the_wait() -> None:
    assert lags(*[40] * 127, 400).p99_ns == ms(40)
    assert lags(*[40] * 126, 400, 400).p99_ns == ms(400)


def test_a_partner_that_came_first_has_no_lag() -> None:
    assert lags(*[-50] * 20).p99_ns == 0


def test_late_is_a_partner_of_which_more_than_a_quarter_come_after_the_limit() -> None:
    assert lags(*[140, 140, 160, 140] * 8).is_late(ms(150)) is False
    assert lags(*[140, 140, 160] * 10).is_late(ms(150)) is True


def test_in_time_again_is_one_of_which_nine_in_ten_come_within_the_limit() -> None:
    lag = lags(*[200] * 32)
    assert lag.is_late(ms(150))
    for _ in range(28):
        lag.learn(ms(40))
    assert lag.is_late(ms(150))
    lag.learn(ms(40))
    assert not lag.is_late(ms(150))
