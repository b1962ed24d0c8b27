"""What the doctor concludes of each camera; no ROS runs here."""

from __future__ import annotations

from dataclasses import replace

from healthy_robot import DEPTH, GRAPH, heard, IMAGE, judged, RGB, START, the, topic
import pytest

from m3l_perception.doctor.cameras import incompatible
from m3l_perception.doctor.facts import Endpoint, Heard
from m3l_perception.doctor.finding import Level
from m3l_perception.doctor.judging import can_label


@pytest.mark.parametrize(('what', 'other'), [('rgb', 'depth'), ('depth', 'rgb')])
def test_one_dead_camera_stops_nothing_two_do(what: str, other: str) -> None:
    dead = {name: replace(getattr(GRAPH, name), publishers=(), heard=Heard()) for name in
            ('rgb', 'depth')}  # fmt: skip
    findings = judged(replace(GRAPH, **{what: dead[what]}))
    finding = the(findings, what, Level.WARN)
    assert finding.what.endswith(f'nobody publishes. Labels can come from {other} alone.')
    assert can_label(findings)
    assert not can_label(judged(replace(GRAPH, segment=None, **dead)))


def test_dead_topic_is_answered_with_the_one_that_lives() -> None:
    dead = topic('/rgb/image', Heard(), '', publishers=())
    finding = the(judged(replace(GRAPH, rgb=dead)), 'rgb', Level.WARN)
    assert finding.remedy == 'Launch with rgb_topic:=/camera/color/image_raw'


def test_silent_publisher_is_told_from_none() -> None:
    findings = judged(replace(GRAPH, rgb=replace(RGB, heard=Heard())))
    assert (
        '/color publishes it, but no image arrived in 5 s.'
        in the(findings, 'rgb', Level.WARN).what
    )


def test_wrong_transport_is_named() -> None:
    compressed = replace(RGB.wanted, type='sensor_msgs/msg/CompressedImage')
    findings = judged(replace(GRAPH, rgb=replace(RGB, wanted=compressed)))
    assert the(findings, 'rgb', Level.WARN).remedy.startswith('Set rgb_transport')


@pytest.mark.parametrize(
    ('offered', 'wanted', 'policy'),
    [
        ('BEST_EFFORT', 'RELIABLE', 'reliability'),
        ('RELIABLE', 'BEST_EFFORT', ''),
        ('RELIABLE', 'RELIABLE', ''),
        ('BEST_EFFORT', 'BEST_EFFORT', ''),
    ],
)
def test_only_less_than_what_is_asked_for_is_incompatible(
    offered: str, wanted: str, policy: str
) -> None:
    got = incompatible(
        Endpoint(node='/a', reliability=offered), Endpoint(node='/b', reliability=wanted)
    )
    assert got == policy


def test_latched_subscriptions_need_latched_publishers() -> None:
    latched = Endpoint(node='/b', durability='TRANSIENT_LOCAL')
    assert incompatible(Endpoint(node='/a'), latched) == 'durability'
    assert incompatible(latched, latched) == ''


def test_incompatible_qos_comes_with_the_parameter_to_set() -> None:
    publisher = Endpoint(node='/color', type=IMAGE, reliability='BEST_EFFORT')
    wanted = Endpoint(node='/m3l_segment', type=IMAGE, reliability='RELIABLE')
    findings = judged(replace(GRAPH, rgb=replace(RGB, publishers=(publisher,), wanted=wanted)))
    assert the(findings, 'rgb', Level.WARN).remedy.startswith(
        'Set qos_overrides./camera/color/image_raw.subscription.reliability: best_effort'
    )


@pytest.mark.parametrize(('arriving_hz', 'lost'), [(21.3, False), (21.0, True)])
def test_images_that_camera_info_announced_count_as_lost(arriving_hz: float, lost: bool) -> None:
    slow = heard(period_ms=1e3 / arriving_hz)
    findings = judged(replace(GRAPH, rgb=replace(RGB, heard=slow, info_rate_hz=30.2)))
    warned = [f for f in findings if (f.where, f.level) == ('rgb', Level.WARN)]
    assert bool(warned) is lost


def test_image_that_cannot_be_decoded_says_why() -> None:
    bad = replace(heard(), problem='color image: unknown encoding.', size=None)
    findings = judged(replace(GRAPH, rgb=replace(RGB, heard=bad)))
    assert 'unknown encoding' in the(findings, 'rgb', Level.WARN).what


def test_images_without_stamps_and_of_another_clock_are_noted() -> None:
    unstamped = replace(heard(), stamps_ns=(0,) * 30)
    findings = judged(replace(GRAPH, rgb=replace(RGB, heard=unstamped)))
    assert 'no stamps' in the(findings, 'rgb', Level.NOTE).what
    old = heard(skew_ms=-60_000)
    findings = judged(replace(GRAPH, rgb=replace(RGB, heard=old)))
    assert 'stamps are 60.0 s behind the system clock' in the(findings, 'rgb', Level.NOTE).what


def test_images_of_one_stamp_are_told_from_a_live_camera() -> None:
    still = replace(heard(), stamps_ns=(START,) * 30)
    graph = replace(GRAPH, segment=None, rgb=replace(RGB, heard=still))
    finding = the(judged(graph), 'rgb', Level.WARN)
    assert finding.what.startswith(f'{RGB.name}: 30 images came, all with one stamp')
    assert can_label(judged(graph))
    assert not can_label(judged(replace(graph, depth=replace(DEPTH, heard=still))))
