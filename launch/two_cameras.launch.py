"""Segment two cameras on one robot: an example to copy, one node for each in its namespace.

With the defaults, a node /front/m3l_segment takes the images of a driver whose namespace is
/front and whose camera is called camera (/front/camera/color/image_raw, ...), and another does so
for /rear. Every other argument of segment.launch.py holds for both.
"""

from __future__ import annotations

from pathlib import Path

from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

from launch import LaunchDescription

_HERE = Path(__file__).parent

_ARGUMENTS = {
    'first': ('front', 'Namespace of the first camera and its node.'),
    'second': ('rear', 'Namespace of the second camera and its node.'),
    'rgb_topic': ('camera/color/image_raw', 'Color images, below each namespace.'),
    'depth_topic': (
        'camera/aligned_depth_to_color/image_raw',
        'Depth images registered to color, below each namespace.',
    ),
    'camera_info_topic': ('camera/color/camera_info', 'Calibration, below each namespace.'),
    'params_file': (
        str(_HERE.parent / 'config' / 'two_cameras.yaml'),
        'YAML file of parameters; a section of its own for each node.',
    ),
}


def generate_launch_description() -> LaunchDescription:
    """Return both nodes and their arguments."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in _ARGUMENTS.items()
    ]
    return LaunchDescription([*declared, _camera('first'), _camera('second')])


def _camera(which: str) -> IncludeLaunchDescription:
    """Return the node of one camera; relative topics lie in its namespace."""
    shared = ('rgb_topic', 'depth_topic', 'camera_info_topic', 'params_file')
    return IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(_HERE / 'segment.launch.py')),
        launch_arguments=[
            ('namespace', LaunchConfiguration(which)),
            *((name, LaunchConfiguration(name)) for name in shared),
        ],
    )
