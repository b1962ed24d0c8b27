"""The launch files with the real launch, from an install laid out as colcon makes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import re
import signal
import subprocess
import sys
from typing import Any

from node_harness import is_pair, Node, PATIENCE_S, wait_until, Watcher
import pytest
from rcl_interfaces.srv import GetParameters

pytest.importorskip('launch_ros', reason='launch is not installed')
pytest.importorskip('openvino', reason='the shipped network needs an engine')

ROOT = Path(__file__).parents[2]

LAUNCH = """
import sys
from launch import LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
given = [tuple(word.split(':=', 1)) for word in sys.argv[2:]]
source = PythonLaunchDescriptionSource(sys.argv[1])
service = LaunchService()
service.include_launch_description(IncludeLaunchDescription(source, launch_arguments=given))
sys.exit(service.run())
"""
"""What `ros2 launch` does, which may not be installed."""


@pytest.fixture(scope='module')
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, installed with the command that colcon gives to setup.py."""
    base = tmp_path_factory.mktemp('colcon')
    (base / 'build').mkdir()
    words = [
        'egg_info', '--egg-base', base / 'build', 'build', '--build-base', base / 'build',
        'install', '--prefix', base / 'install', '--record', base / 'record',
        '--single-version-externally-managed',
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', 'setup.py', *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return base / 'install'


class Launch:
    """One launch file that runs, and what it prints."""

    def __init__(self, prefix: Path, log: Path, file: str, arguments: dict[str, object]) -> None:
        libraries = next(prefix.glob('**/m3l_core')).parent
        environment = os.environ | {
            'AMENT_PREFIX_PATH': os.pathsep.join(
                [str(prefix), os.environ.get('AMENT_PREFIX_PATH', '')]
            ),
            'PYTHONPATH': os.pathsep.join([str(libraries), os.environ.get('PYTHONPATH', '')]),
            'ROS_HOME': str(log.parent),
        }
        self._log = log
        words = [f'{name}:={value}' for name, value in arguments.items()]
        path = prefix / 'share' / 'm3l_perception' / 'launch' / file
        with log.open('w') as output:
            self.process = subprocess.Popen(
                [sys.executable, '-c', LAUNCH, str(path), *words],
                cwd=log.parent,  # our own launch/ folder would hide launch
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    def pids(self) -> list[int]:
        """Return the processes that were started, in order."""
        return [int(pid) for pid in re.findall(r'started with pid \[(\d+)\]', self.log)]

    def wait_for_log(self, text: str) -> None:
        wait_until(lambda: text in self.log, f'{text!r} in the log', lambda: self.log)


@contextmanager
def launched(prefix: Path, folder: Path, file: str, **arguments: object) -> Iterator[Launch]:
    """Run a launch file of the install until the block ends."""
    launch = Launch(prefix, folder / 'launch.log', file, arguments)
    try:
        yield launch
    finally:
        if launch.process.poll() is None:
            # To the group, as a terminal does: launch relies on that and passes no Ctrl-C on.
            os.killpg(launch.process.pid, signal.SIGINT)
        launch.process.wait(PATIENCE_S)


def parameters(asker: Any, node: str, *names: str) -> list[Any]:
    """Return parameters of a node as it tells them."""
    client = asker.node.create_client(GetParameters, f'{node}/get_parameters')
    assert client.wait_for_service(PATIENCE_S), node
    future = client.call_async(GetParameters.Request(names=list(names)))
    wait_until(future.done, f'parameters of {node}')
    values = future.result().values
    kinds = {1: 'bool_value', 2: 'integer_value', 3: 'double_value', 4: 'string_value'}
    return [getattr(value, kinds[value.type]) for value in values]


def test_bag_that_is_over_ends_the_launch(prefix: Path, tmp_path: Path) -> None:
    pytest.importorskip('rosbags')
    with launched(prefix, tmp_path, 'bag.launch.py', rate=5) as launch:
        launch.process.wait(PATIENCE_S)
    assert launch.process.returncode == 0, launch.log
    assert 'the bag is over' in launch.log or 'was required' in launch.log


def test_ctrl_c_ends_node_and_player_of_a_labeled_bag_and_neither_has_died(
    prefix: Path, tmp_path: Path
) -> None:
    pytest.importorskip('rosbags')
    with Watcher() as watcher, launched(prefix, tmp_path, 'bag.launch.py', loop=True) as launch:
        for label in watcher.wait_for_labels('of pairs', is_pair, 3):
            assert label.size == (240, 320)
        watcher.wait_for_mode('RGBD')
    assert launch.process.returncode == 0, launch.log
    assert launch.log.count('process has finished cleanly') == 2, launch.log
    assert 'process has died' not in launch.log


def test_arguments_beat_the_file_and_the_file_beats_defaults(prefix: Path, tmp_path: Path) -> None:
    given = tmp_path / 'given.yaml'
    given.write_text(
        '/**:\n  ros__parameters: {threads: 1, pair_wait: 0.25}\n'
        '/front/m3l_segment:\n  ros__parameters: {unpaired: rgb, precision: bf16}\n'
    )
    arguments = {'params_file': given, 'backend': 'openvino', 'autostart': False}
    names = ('threads', 'pair_wait', 'unpaired', 'precision', 'backend', 'autostart')
    with (
        Node('asker') as asker,
        launched(prefix, tmp_path, 'two_cameras.launch.py', **arguments) as launch,
    ):
        front = parameters(asker, '/front/m3l_segment', *names)
        rear = parameters(asker, '/rear/m3l_segment', *names)
        assert front == [1, 0.25, 'rgb', 'bf16', 'openvino', False], launch.log
        assert rear == [1, 0.25, 'skip', 'auto', 'openvino', False]


def test_argument_beats_a_section_that_names_the_node(prefix: Path, tmp_path: Path) -> None:
    given = tmp_path / 'given.yaml'
    given.write_text('/m3l_segment:\n  ros__parameters: {backend: torch, autostart: false}\n')
    arguments = {'params_file': given, 'backend': 'openvino'}
    with (
        Node('asker') as asker,
        launched(prefix, tmp_path, 'segment.launch.py', **arguments) as launch,
    ):
        got = parameters(asker, '/m3l_segment', 'backend', 'autostart')
        assert got == ['openvino', False], launch.log


def test_each_camera_has_its_topics_in_its_namespace(prefix: Path, tmp_path: Path) -> None:
    with (
        Node('onlooker') as onlooker,
        launched(prefix, tmp_path, 'two_cameras.launch.py') as launch,
    ):
        for namespace in ('/front', '/rear'):
            for topic in ('color/image_raw', 'aligned_depth_to_color/image_raw'):
                name = f'{namespace}/camera/{topic}'
                wait_until(
                    lambda name=name: onlooker.node.count_subscribers(name) == 1,
                    f'subscription to {name}',
                    lambda: launch.log,
                )


def test_killed_node_comes_back(prefix: Path, tmp_path: Path) -> None:
    with launched(prefix, tmp_path, 'segment.launch.py') as launch:
        launch.wait_for_log('READY')
        os.kill(launch.pids()[0], signal.SIGKILL)
        wait_until(lambda: launch.log.count('READY') == 2, 'a second start', lambda: launch.log)


@pytest.mark.parametrize(('choice', 'is_set'), [('shipped', True), ('keep', False)])
def test_node_is_started_with_the_profile_that_was_chosen(
    prefix: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, choice: str, is_set: bool
) -> None:
    for name in ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE'):
        monkeypatch.delenv(name, raising=False)
    with launched(prefix, tmp_path, 'segment.launch.py', dds_profile=choice) as launch:
        wait_until(launch.pids, 'a process', lambda: launch.log)
        variables = Path(f'/proc/{launch.pids()[0]}/environ').read_text()
        launch.wait_for_log('Loading')
    assert ('_DEFAULT_PROFILES_FILE=' in variables) is is_set
    assert f'M3L_DDS_PROFILE={choice}' in variables


@pytest.mark.parametrize(
    ('argument', 'value', 'refusal'),
    [
        (
            'params_file', '/no.yaml',
            "params_file: expected the path of a YAML file, got '/no.yaml'.",
        ),
        (
            'dds_profile', '/no.xml',
            "dds_profile: expected shipped, keep, or the path of a file, got '/no.xml'.",
        ),
        ('respawn', 'maybe', 'maybe'),
    ],
)  # fmt: skip
def test_wrong_argument_starts_nothing(
    prefix: Path, tmp_path: Path, argument: str, value: str, refusal: str
) -> None:
    with launched(prefix, tmp_path, 'segment.launch.py', **{argument: value}) as launch:
        assert launch.process.wait(PATIENCE_S) == 1, launch.log
    assert refusal in launch.log
    assert not launch.pids()
