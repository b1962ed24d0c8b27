"""`m3l doctor` as a process, on real cameras, bags and nodes."""

from __future__ import annotations

from contextlib import contextmanager
import json
import subprocess
import sys
from typing import Any, TYPE_CHECKING

from node_harness import FRAME_ID, Node, PATIENCE_S, segment, SegmentProcess, wait_until
import pytest
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


DOCTOR = 'import sys; from m3l_perception.doctor import main; sys.exit(main())'


def doctor(*arguments: str, before: str = '') -> subprocess.CompletedProcess[str]:
    words = [sys.executable, '-c', before + DOCTOR, '--seconds', '2', *arguments]
    return subprocess.run(words, capture_output=True, text=True, timeout=3 * PATIENCE_S)


def examined(*arguments: str, knows: Callable[[Any], object]) -> tuple[int, dict[str, Any]]:
    """Return exit code and content once the graph was known as well as told.

    On a busy machine the doctor's few seconds may be over before it has met everybody.
    """
    visits: list[tuple[int, dict[str, Any]]] = []

    def is_known() -> bool:
        done = doctor('--json', *arguments)
        assert done.stdout, done.stderr
        visits.append((done.returncode, json.loads(done.stdout)))
        return bool(knows(visits[-1][1]['graph']))

    wait_until(is_known, 'such graph', lambda: visits[-1])
    return visits[-1]


def said(content: dict[str, Any], where: str) -> str:
    """Return all that was said of one place."""
    return '\n'.join(
        f'{finding["level"]} {finding["what"]} {finding["remedy"]}'
        for finding in content['findings']
        if finding['where'] == where
    )


@contextmanager
def playing(*arguments: str) -> Iterator[None]:
    """Play the sample bag over and over."""
    from m3l_core.samples import sample_bag

    words = [sys.executable, '-m', 'm3l_perception.play', str(sample_bag()), '--loop', *arguments]
    player = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        player.terminate()
        player.wait(PATIENCE_S)


def is_labeled_from_both(graph: Any) -> bool:
    node = graph['segment'] or {'masks': 0}
    heard = (graph[modality] and graph[modality]['heard'] for modality in ('rgb', 'depth'))
    return (
        node['masks'] > 1
        and (node['state'], node['mode']) == ('active', 'RGBD')
        and node['parameters']
        and all(came and came['rate_hz'] for came in heard)
    )


@pytest.mark.usefixtures('camera')
def test_labels_that_come_are_counted(model: Path, tmp_path: Path) -> None:
    with segment(tmp_path, model=model) as process:
        process.wait_for_log('-> RGBD')
        code, content = examined('--model', str(model), knows=is_labeled_from_both)
    assert code == 0, content
    assert 'labels come at' in said(content, 'node')
    assert 'mode RGBD' in said(content, 'node')
    graph = content['graph']
    assert graph['segment']['state'] == 'active'
    assert graph['segment']['parameters']['pair_wait_max'] == '0.15'
    assert graph['rgb']['name'] == '/rgb/image'
    assert graph['depth']['name'] == '/depth/image'
    assert graph['rgb']['wanted']['node'] == '/m3l_segment'
    assert graph['rgb']['publishers'][0]['reliability'] == 'RELIABLE'
    assert graph['rgb']['heard']['frame_id'] == FRAME_ID
    assert graph['rgb']['heard']['rate_hz'] > 0
    assert 'publishes both' in said(content, 'failover')


def test_bag_with_one_dead_camera_is_described_before_the_node_runs() -> None:
    pytest.importorskip('rosbags')
    with playing('--topics', 'rgb', 'camera_info'):
        code, content = examined(knows=lambda graph: graph['rgb'] and graph['rgb']['info_rate_hz'])
    assert code == 0, content
    assert content['graph']['rgb']['name'] == '/camera/color/image_raw/compressed'
    assert content['graph']['rgb']['heard']['size'] == [240, 320]
    assert content['graph']['rgb']['info_rate_hz'] > 0
    assert said(content, 'depth').startswith('warn no topic is recognized')
    assert 'Labels can come from rgb alone.' in said(content, 'depth')
    assert said(content, 'node').startswith('warn m3l_segment is not running.')


@pytest.mark.usefixtures('camera')
def test_incompatible_qos_and_a_clock_that_stands_are_named(model: Path, tmp_path: Path) -> None:
    settings = {
        'model': model,
        'use_sim_time': True,
        'qos_overrides./weak/image.subscription.reliability': 'reliable',
    }
    arguments = ['-m', 'm3l_perception.segment_node', '--ros-args', '-r', 'rgb/image:=/weak/image']
    arguments += [word for name, value in settings.items() for word in ('-p', f'{name}:={value}')]
    process = SegmentProcess(tmp_path / 'segment.log', arguments)
    try:
        with Node('weak') as weak:
            weak.node.create_publisher(Image, '/weak/image', qos_profile_sensor_data)
            process.wait_for_log('READY')
            code, content = examined(
                '--model',
                str(model),
                knows=lambda graph: (
                    graph['segment']
                    and graph['segment']['parameters']
                    and graph['rgb']
                    and graph['rgb']['publishers']
                    and graph['rgb']['wanted']['reliability'] == 'RELIABLE'
                ),
            )
    finally:
        process.end()
    assert code == 1, content
    assert 'STOP the node has use_sim_time set, but /clock stands still.' in said(content, 'clock')
    assert (
        'warn /weak/image: /weak offers reliability BEST_EFFORT, /m3l_segment wants RELIABLE: '
        'nothing is delivered.'
    ) in said(content, 'rgb')


def test_without_ros_and_without_cameras_it_says_what_to_do() -> None:
    done = doctor(before="import sys; sys.modules['rclpy'] = None; ")
    assert done.returncode == 1
    text = ' '.join(done.stdout.split())  # lines are broken to fit the terminal
    assert 'pip install "m3l_perception[ros]"' in text
    assert 'nyuv2_b0' in text
    assert done.stdout.endswith('No labels can come before this is mended: ROS.\n')
    assert not done.stderr


def test_wrong_argument_is_one_line() -> None:
    done = doctor('--seconds', '0')
    assert done.returncode == 2
    assert done.stderr == ('m3l: --seconds: expected more than 0, at most 3600, got 0.0.\n')
