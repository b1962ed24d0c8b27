"""Start the segmentation node on a robot; `ros2 launch m3l_perception segment.launch.py -s`.

An argument that is empty says nothing: what params_file sets then counts, and else the node's own
default.
"""

from __future__ import annotations

from pathlib import Path

from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from launch import LaunchContext, LaunchDescription
from m3l_core.errors import ConfigError
from m3l_perception.dds import CHOICE_VARIABLE, profile_environment

_CONFIG = Path(__file__).parents[1] / 'config' / 'segment.yaml'
"""Beside this folder in the repository as well as in the installed share folder."""

_ARGUMENTS = {
    'model': ('', 'Path of the exported network; empty takes the shipped one, or params_file.'),
    'backend': ('', 'Library that runs it, or auto; empty leaves it to params_file.'),
    'rgb_topic': ('rgb/image', 'Color images; without the ending of a compressed transport.'),
    'depth_topic': ('depth/image', 'Depth images registered to color.'),
    'camera_info_topic': ('rgb/camera_info', 'Calibration of the color camera.'),
    'rgb_transport': ('', 'raw or compressed; empty leaves it to params_file.'),
    'depth_transport': ('', 'raw, compressedDepth or compressed; empty: params_file.'),
    'depth_fallback_topic': (
        'depth/image_fallback',
        'Depth images not registered to color, for when color and registered depth are gone.',
    ),
    'depth_fallback_info_topic': (
        'depth/camera_info_fallback',
        'Calibration of the camera of depth_fallback_topic.',
    ),
    'depth_fallback_transport': ('', 'As depth_transport, for depth_fallback_topic.'),
    'params_file': (str(_CONFIG), 'YAML file of parameters.'),
    'namespace': ('', 'Namespace of the node and of relative topics.'),
    'use_sim_time': ('', 'true or false; empty leaves it to params_file.'),
    'autostart': ('', 'Configure and activate at once: true or false; empty: params_file.'),
    'respawn': ('true', 'Start the node again 2 s after it ended by itself.'),
    'dds_profile': (
        'shipped',
        'Fast DDS profile: shipped (room for images), keep (change nothing), or a path. Used '
        'only if none is set and the middleware is Fast DDS.',
    ),
}

_FORWARDED = {
    'model': str,
    'backend': str,
    'rgb_transport': str,
    'depth_transport': str,
    'depth_fallback_transport': str,
    'use_sim_time': bool,
    'autostart': bool,
}
"""Arguments that are parameters of the node, which win over the file when they are given."""


def generate_launch_description() -> LaunchDescription:
    """Return the node and its arguments."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in _ARGUMENTS.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=_start)])


def _start(context: LaunchContext) -> list[SetEnvironmentVariable | Node]:
    given = {name: LaunchConfiguration(name).perform(context) for name in _ARGUMENTS}
    _expect_file(given['params_file'])
    profile = given['dds_profile']
    environment = {CHOICE_VARIABLE: profile} | profile_environment(profile, context.environment)
    parameters = {
        name: ParameterValue(LaunchConfiguration(name), value_type=kind)
        for name, kind in _FORWARDED.items()
        if given[name]
    }
    node = Node(
        package='m3l_perception',
        executable='segment',
        # Named, so that arguments go under the node's full name: a section of the file that names
        # the node beats whatever is given for all nodes.
        name='m3l_segment',
        namespace=given['namespace'],
        parameters=[given['params_file'], *([parameters] if parameters else [])],
        remappings=[
            ('rgb/image', given['rgb_topic']),
            ('depth/image', given['depth_topic']),
            ('rgb/camera_info', given['camera_info_topic']),
            ('depth/image_fallback', given['depth_fallback_topic']),
            ('depth/camera_info_fallback', given['depth_fallback_info_topic']),
        ],
        respawn=LaunchConfiguration('respawn'),
        respawn_delay=2.0,
        output='screen',
        emulate_tty=True,
    )
    return [*(SetEnvironmentVariable(k, v) for k, v in environment.items()), node]


def _expect_file(path: str) -> None:
    """Refuse a path that is no file: launch would warn, and start the node without it.

    Raises:
        ConfigError: If it is none.
    """
    if not Path(path).is_file():
        raise ConfigError(f'params_file: expected the path of a YAML file, got {path!r}.')
