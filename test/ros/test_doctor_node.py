"""What the doctor concludes of the node and of its engine; no ROS runs here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from healthy_robot import COMPUTER, GRAPH, judged, NODE, the
import pytest

from m3l_perception.doctor.facts import Diagnostic
from m3l_perception.doctor.finding import Level
from m3l_perception.doctor.judging import can_label


def test_node_that_is_not_running_can_still_be_started() -> None:
    findings = judged(replace(GRAPH, segment=None))
    assert 'ros2 launch' in the(findings, 'node', Level.WARN).remedy
    assert can_label(findings)


def test_node_that_was_asked_for_in_vain_is_named_beside_those_that_run() -> None:
    graph = replace(GRAPH, segment=None, segment_name='/front/m3l_segment')
    findings = judged(graph)
    assert the(findings, 'node', Level.WARN).what == '/front/m3l_segment is not running.'
    assert the(findings, 'node', Level.NOTE).what == '/m3l_segment runs as well.'


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
