"""What the doctor concludes where several publish on one topic; no ROS runs here."""

from __future__ import annotations

from dataclasses import replace

from healthy_robot import GRAPH, IMAGE, judged, RGB

from m3l_perception.doctor.facts import Endpoint
from m3l_perception.doctor.finding import Level

UNHEARD = Endpoint(node='/replay', type=IMAGE, reliability='BEST_EFFORT')
WANTED = replace(RGB.wanted, reliability='RELIABLE')


def test_one_publisher_that_fits_is_enough() -> None:
    rgb = replace(RGB, publishers=(UNHEARD, *RGB.publishers), wanted=WANTED)
    findings = judged(replace(GRAPH, rgb=rgb))
    assert [f.level for f in findings if f.where == 'rgb'] == [Level.OK]


def test_publishers_none_of_which_fits_are_all_named() -> None:
    rgb = replace(RGB, publishers=(UNHEARD, replace(UNHEARD, node='/tool')), wanted=WANTED)
    (finding,) = (f for f in judged(replace(GRAPH, rgb=rgb)) if f.where == 'rgb')
    assert '/replay and /tool offer reliability BEST_EFFORT' in finding.what
