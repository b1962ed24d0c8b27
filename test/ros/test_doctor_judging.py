"""What the doctor concludes from facts; no ROS runs here."""

from __future__ import annotations

from dataclasses import replace
import json
from typing import Any

import pytest

from m3l_perception.doctor.cameras import incompatible
from m3l_perception.doctor.facts import (
    Computer,
    Diagnostic,
    Endpoint,
    Facts,
    Graph,
    Heard,
    SegmentNode,
    Topic,
)
from m3l_perception.doctor.finding import Finding, Level
from m3l_perception.doctor.judging import can_label, judge
from m3l_perception.doctor.printing import as_json, as_text
from m3l_perception.doctor.timing import together

IMAGE = 'sensor_msgs/msg/Image'
MS = 1_000_000
START = 1_700_000_000_000_000_000


def heard(
    *, period_ms: float = 33, skew_ms: float = 0, lag_ms: float = 5, **changes: Any
) -> Heard:
    """Return 30 images; `skew_ms` moves their stamps, `lag_ms` says how long they travel."""
    times = [START + round(number * period_ms * MS) for number in range(30)]
    return Heard(
        stamps_ns=tuple(round(time + skew_ms * MS) for time in times),
        arrivals_ns=tuple(round(time + lag_ms * MS) for time in times),
        frame_id='color_optical_frame',
        size=(480, 640),
        encoding='rgb8',
        **changes,
    )


def topic(name: str, of: Heard, node: str, **changes: Any) -> Topic:
    publisher = Endpoint(node=node, type=IMAGE, reliability='RELIABLE')
    wanted = Endpoint(node='/m3l_segment', type=IMAGE)
    defaults: dict[str, Any] = {'publishers': (publisher,), 'wanted': wanted, 'heard': of}
    return Topic(name=name, **(defaults | changes))


COMPUTER = Computer(
    libraries={'openvino': '2026.4', 'torch': None, 'tensorrt': None, 'pycuda': None},
    model='b0: 13 classes',
    engine='openvino bf16',
)
RGB = topic('/camera/color/image_raw', heard(), '/color')
DEPTH = topic('/camera/depth/image_raw', heard(lag_ms=20), '/depth')
NODE = SegmentNode(name='/m3l_segment', state='active', mode='RGBD', masks=150, mask_rate_hz=30)
GRAPH = Graph(
    version='9',
    rmw='rmw_fastrtps_cpp',
    seconds=5,
    nodes=('/color', '/depth', '/m3l_segment'),
    image_topics={RGB.name: IMAGE, DEPTH.name: IMAGE},
    rgb=RGB,
    depth=DEPTH,
    segment=NODE,
)


def judged(graph: Graph | None, computer: Computer = COMPUTER) -> list[Finding]:
    return judge(Facts(computer=computer, graph=graph))


def the(findings: list[Finding], where: str, level: Level) -> Finding:
    """Return the one finding of that place and level."""
    found = [f for f in findings if (f.where, f.level) == (where, level)]
    assert len(found) == 1, findings
    return found[0]


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


def test_node_that_is_not_running_can_still_be_started() -> None:
    findings = judged(replace(GRAPH, segment=None))
    assert 'ros2 launch' in the(findings, 'node', Level.WARN).remedy
    assert can_label(findings)


def test_node_that_was_asked_for_in_vain_is_named_beside_those_that_run() -> None:
    graph = replace(GRAPH, segment=None, segment_name='/front/m3l_segment')
    findings = judged(graph)
    assert the(findings, 'node', Level.WARN).what == '/front/m3l_segment is not running.'
    assert the(findings, 'node', Level.NOTE).what == '/m3l_segment runs as well.'


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


@pytest.mark.parametrize(
    ('state', 'remedy'),
    [
        ('unconfigured', 'ros2 lifecycle set /m3l_segment configure'),
        ('inactive', 'ros2 lifecycle set /m3l_segment activate'),
        ('finalized', 'Start it again.'),
    ],
)
def test_node_that_is_not_active_is_told_how_to_become_so(state: str, remedy: str) -> None:
    findings = judged(replace(GRAPH, segment=replace(NODE, state=state, masks=0)))
    assert the(findings, 'node', Level.STOP).remedy == remedy


def test_node_that_waits_for_a_clock_is_stopped() -> None:
    simulated = replace(NODE, masks=0, parameters={'use_sim_time': 'true'})
    absent = judged(replace(GRAPH, segment=simulated))
    assert the(absent, 'clock', Level.STOP).what.endswith('but nobody publishes /clock.')
    paused = judged(replace(GRAPH, segment=simulated, clock_publishers=1))
    assert the(paused, 'clock', Level.STOP).what.endswith('but /clock stands still.')
    running = judged(replace(GRAPH, segment=simulated, clock_publishers=1, clock_ticks=100))
    assert not [f for f in running if f.where == 'clock']


def test_active_node_that_gets_images_must_label_unless_it_still_loads() -> None:
    silent = replace(NODE, masks=0)
    assert 'should label' in the(judged(replace(GRAPH, segment=silent)), 'node', Level.STOP).what
    engine = Diagnostic(
        name='m3l_segment: engine', level=1, message='loading', values={'state': 'BUILDING'}
    )
    loading = replace(silent, diagnostics=(engine,))
    assert can_label(judged(replace(GRAPH, segment=loading)))


def test_state_mode_rate_and_engine_of_the_node_are_told() -> None:
    values = {'backend': 'openvino', 'precision': 'bf16', 'p50_ms': '22.7'}
    engine = Diagnostic(name='m3l_segment: engine', level=0, message='READY', values=values)
    findings = judged(replace(GRAPH, segment=replace(NODE, diagnostics=(engine,))))
    assert the(findings, 'node', Level.OK).what == (
        '/m3l_segment: active, labels come at 30.0 Hz, mode RGBD; its engine, openvino bf16, '
        'takes 22.7 ms at the median.'
    )


def test_complaints_of_the_node_are_repeated() -> None:
    complaint = Diagnostic(name='m3l_segment: pairing', level=1, message='RGB_ONLY: depth_late')
    findings = judged(replace(GRAPH, segment=replace(NODE, diagnostics=(complaint,))))
    assert the(findings, 'node', Level.WARN).what == 'says of pairing: RGB_ONLY: depth_late'


def test_engine_missing_here_is_no_matter_while_labels_come_from_elsewhere() -> None:
    bare = replace(
        COMPUTER,
        engine='',
        engine_problem='no engine.',
        libraries=dict.fromkeys(COMPUTER.libraries),
    )
    assert the(judged(GRAPH, bare), 'engine', Level.WARN)
    silent = replace(GRAPH, segment=None)
    assert 'pip install openvino' in the(judged(silent, bare), 'engine', Level.STOP).remedy


@pytest.mark.parametrize(
    ('changes', 'why'),
    [
        ({'backend': 'openvino'}, 'as the parameter backend says (openvino)'),
        ({'has_gpu': True}, 'chosen by auto: tensorrt and pycuda missing'),
        (
            {'has_gpu': True, 'libraries': dict.fromkeys(COMPUTER.libraries, '1')},
            'chosen by auto: no TensorRT engine is built',
        ),
        (
            {'has_gpu': True, 'engine': 'tensorrt float16'},
            'chosen by auto, which prefers it',
        ),
        (
            {
                'engine': 'torch float32',
                'libraries': dict.fromkeys(COMPUTER.libraries) | {'torch': '2'},
            },
            'chosen by auto: no NVIDIA GPU is seen, openvino is missing',
        ),
    ],
)
def test_choice_of_the_engine_is_explained(changes: dict[str, Any], why: str) -> None:
    findings = judged(GRAPH, replace(COMPUTER, **changes))
    assert f', {why}. Here:' in the(findings, 'engine', Level.OK).what


def test_gpu_that_idles_is_named() -> None:
    findings = judged(GRAPH, replace(COMPUTER, has_gpu=True))
    assert 'GPU' in the(findings, 'engine', Level.WARN).what


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
