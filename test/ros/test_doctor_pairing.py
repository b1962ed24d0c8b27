"""What the doctor concludes of two cameras together; no ROS runs here."""

from __future__ import annotations

from dataclasses import replace

from healthy_robot import DEPTH, GRAPH, heard, judged, NODE, RGB, the, topic
import pytest

from m3l_perception.doctor.finding import Level
from m3l_perception.doctor.timing import together


def test_skew_and_lag_of_depth_are_measured() -> None:
    times = together(heard(lag_ms=5), heard(skew_ms=4, lag_ms=47))
    assert times is not None
    assert times.skew_ms == pytest.approx(4)
    assert times.lag_ms == pytest.approx(42)
    assert times.gap_ms == pytest.approx(0.55 * 33, abs=0.1)
    assert times.paired_share == 1.0


def test_slower_depth_pairs_with_every_image_it_has() -> None:
    times = together(heard(period_ms=33), heard(period_ms=66))
    assert times is not None
    assert times.paired_share == 1.0
    findings = judged(replace(GRAPH, depth=replace(DEPTH, heard=heard(period_ms=66))))
    assert the(findings, 'pairs', Level.NOTE).remedy.startswith('Set unpaired:=rgb')


def test_clocks_that_differ_by_an_hour_get_the_offset_to_set() -> None:
    findings = judged(replace(GRAPH, depth=replace(DEPTH, heard=heard(skew_ms=3.6e6))))
    assert '-3600.0' in the(findings, 'pairs', Level.WARN).remedy


def test_slow_cameras_that_miss_the_gap_stay_apart() -> None:
    # At 5 Hz the gap is 35 ms at most; 80 ms is beyond it.
    rgb, depth = heard(period_ms=200), heard(period_ms=200, skew_ms=80)
    findings = judged(
        replace(GRAPH, rgb=replace(RGB, heard=rgb), depth=replace(DEPTH, heard=depth))
    )
    finding = the(findings, 'pairs', Level.WARN)
    assert 'RGB_ONLY' in finding.what
    assert finding.remedy.startswith('Set depth_stamp_offset:=-0.0800')


@pytest.mark.parametrize(('lag_ms', 'level'), [(149, Level.OK), (152, Level.WARN)])
def test_depth_that_lags_beyond_the_longest_wait_is_late(lag_ms: float, level: Level) -> None:
    depth = replace(DEPTH, heard=heard(lag_ms=5 + lag_ms))
    the(judged(replace(GRAPH, depth=depth)), 'pairs', level)


@pytest.mark.parametrize(
    ('settings', 'depth_of', 'level', 'remedy'),
    [
        ({'depth_stamp_offset': '-3600.0'}, {'skew_ms': 3.6e6}, Level.OK, ''),
        ({'depth_stamp_offset': '1.0'}, {'skew_ms': 3.6e6}, Level.WARN, '-3600.0'),
        ({'max_pair_gap': '0.05'}, {'skew_ms': 16}, Level.OK, ''),
        ({'max_pair_gap': '0.01'}, {'skew_ms': 12}, Level.WARN, 'depth_stamp_offset:=-0.0120'),
        ({'pair_wait_max': '0.4'}, {'lag_ms': 305}, Level.OK, ''),
        ({'pair_wait_max': '0.2'}, {'lag_ms': 305}, Level.WARN, 'Set pair_wait_max:=0.33'),
        ({'pair_wait': '0.1', 'pair_wait_max': '0.4'}, {'lag_ms': 305}, Level.WARN,
         'Set pair_wait:=0.33'),
    ],
)  # fmt: skip
def test_pairs_are_judged_by_what_is_set_already(
    settings: dict[str, str], depth_of: dict[str, float], level: Level, remedy: str
) -> None:
    node, depth = replace(NODE, parameters=settings), replace(DEPTH, heard=heard(**depth_of))
    finding = the(judged(replace(GRAPH, segment=node, depth=depth)), 'pairs', level)
    assert remedy in finding.remedy


def test_depth_in_another_frame_is_not_registered() -> None:
    other = replace(DEPTH, heard=replace(DEPTH.heard, frame_id='depth_optical_frame'))
    findings = judged(replace(GRAPH, depth=other))
    assert 'not registered' in ' '.join(f.what for f in findings if f.where == 'pairs')


def test_one_driver_for_both_streams_is_a_common_fate() -> None:
    aligned = topic('/camera/aligned_depth_to_color/image_raw', heard(), '/color')
    what = the(judged(replace(GRAPH, depth=aligned)), 'failover', Level.NOTE).what
    assert what.startswith('/color publishes both: if that process dies, labels end.')
    assert 'stops with it' in what
