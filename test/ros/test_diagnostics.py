"""What the node tells of itself."""

from __future__ import annotations

import pytest

from m3l_perception.diagnostics import Report
from m3l_perception.messages import ERROR, WARN


@pytest.mark.parametrize(('now_ns', 'active_s'), [(5_000_000_000, 60.0), (0, 1.0)])
def test_clock_that_its_publisher_holds_is_no_fault(now_ns: int, active_s: float) -> None:
    report = Report('segment')
    report.add_clock(now_ns, active_s, publishers=1)
    assert not report.statuses
    assert not report.missing


def test_clock_without_publisher_is_told_to_stand_still() -> None:
    report = Report('segment')
    report.add_clock(5_000_000_000, 60.0, publishers=0)
    (status,) = report.statuses
    assert (status.name, status.level) == ('segment: clock', WARN)
    assert status.message.startswith('nobody publishes /clock any more: simulated time stands ')
    assert report.missing == [status.message]


def test_clock_that_never_ran_is_an_error() -> None:
    report = Report('segment')
    report.add_clock(0, 2.0, publishers=0)
    assert [status.level for status in report.statuses] == [ERROR]
