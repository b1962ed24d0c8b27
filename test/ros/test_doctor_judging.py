"""What the doctor concludes of all facts together, and how it tells it; no ROS runs here."""

from __future__ import annotations

from dataclasses import replace
import json

from healthy_robot import COMPUTER, GRAPH, judged, the
import pytest

from m3l_perception.doctor.facts import Facts
from m3l_perception.doctor.finding import Level
from m3l_perception.doctor.judging import can_label, judge
from m3l_perception.doctor.printing import as_json, as_text


def test_healthy_robot_has_nothing_to_warn_of() -> None:
    findings = judged(GRAPH)
    assert {f.level for f in findings} == {Level.OK, Level.NOTE}
    assert [f.where for f in findings if f.level is Level.NOTE] == ['DDS']
    assert can_label(findings)


def test_without_ros_it_says_what_to_install_and_still_tells_the_engine() -> None:
    findings = judged(None)
    assert 'pip install "m3l_perception[ros]"' in the(findings, 'ROS', Level.STOP).remedy
    assert the(findings, 'engine', Level.OK).what.startswith(
        'openvino bf16, chosen by auto: no NVIDIA GPU is seen.'
    )
    assert not can_label(findings)


@pytest.mark.parametrize(
    ('environment', 'level', 'said'),
    [
        ({}, Level.NOTE, 'no Fast DDS profile is set'),
        ({'FASTDDS_DEFAULT_PROFILES_FILE': '/p.xml'}, Level.OK, '/p.xml'),
        (
            {'ROS_DISTRO': 'jazzy', 'FASTDDS_DEFAULT_PROFILES_FILE': '/p.xml'},
            Level.WARN,
            'jazzy does not read it',
        ),
        ({'ROS_DISTRO': 'kilted', 'FASTRTPS_DEFAULT_PROFILES_FILE': '/p.xml'}, Level.OK, '/p.xml'),
    ],
)
def test_profile_must_be_in_the_variable_that_is_read(
    environment: dict[str, str], level: Level, said: str
) -> None:
    findings = judged(GRAPH, replace(COMPUTER, environment=environment))
    assert said in the(findings, 'DDS', level).what


@pytest.mark.parametrize(('rmem_max', 'warned'), [(212_992, True), (10_000_000, False)])
def test_cyclone_needs_room_in_the_kernel(rmem_max: int, warned: bool) -> None:
    cyclone = replace(GRAPH, rmw='rmw_cyclonedds_cpp')
    findings = judged(cyclone, replace(COMPUTER, rmem_max=rmem_max))
    assert any('net.core.rmem_max' in f.what for f in findings) is warned


def test_text_names_what_stops_labels_and_fits_the_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv('COLUMNS', '60')
    dead = replace(GRAPH, rgb=None, depth=None, nodes=(), image_topics={}, segment=None)
    text = as_text(judged(dead), color=False)
    assert text.endswith('No labels can come before this is mended: rgb, depth.')
    assert max(len(line) for line in text.splitlines() if '.xml' not in line) <= 60
    assert '\033' not in text
    assert '\033[1;31mSTOP' in as_text(judged(dead), color=True)


def test_json_tells_rates_instead_of_every_stamp() -> None:
    facts = Facts(computer=COMPUTER, graph=GRAPH)
    content = json.loads(as_json(facts, judge(facts)))
    assert content['can_label'] is True
    assert content['graph']['rgb']['heard']['images'] == 30
    assert content['graph']['rgb']['heard']['rate_hz'] == pytest.approx(30.3)
    assert 'stamps_ns' not in content['graph']['rgb']['heard']
    assert content['graph']['together']['lag_ms'] == pytest.approx(15)


def test_nothing_stops_labels_that_are_seen_to_come() -> None:
    findings = judged(replace(GRAPH, rgb=None, depth=None))
    assert the(findings, 'depth', Level.WARN)
    assert can_label(findings)
