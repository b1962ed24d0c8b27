"""Play a bag next to the node, which takes its topics and transports from the bag.

  ros2 launch m3l_perception bag.launch.py                  # the sample bag
  ros2 launch m3l_perception bag.launch.py bag:=BAG loop:=true

Stamps are shifted to now, so no simulated clock is needed. Other arguments are those of
segment.launch.py. Everything ends when the bag does.
"""

from __future__ import annotations

from pathlib import Path

from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
)
from launch.event_handlers import OnProcessExit
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription
from m3l_core.bags.reading import Bag
from m3l_core.bags.topics import base_and_transport, find_topics
from m3l_core.samples import sample_bag

_SEGMENT = Path(__file__).with_name('segment.launch.py')

_ARGUMENTS = {
    'bag': ('', 'rosbag2 folder, .mcap or .db3 file; empty takes the sample bag.'),
    'rate': ('1.0', 'Play this much faster.'),
    'loop': ('false', 'Play again and again, until Ctrl-C: true or false.'),
}


def generate_launch_description() -> LaunchDescription:
    """Return the node, the player and their arguments."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in _ARGUMENTS.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=_start)])


def _start(
    context: LaunchContext,
) -> list[IncludeLaunchDescription | RegisterEventHandler | Node]:
    given = {name: LaunchConfiguration(name).perform(context) for name in _ARGUMENTS}
    bag = Path(given['bag']).expanduser() if given['bag'] else sample_bag()
    looping = ['--loop'] if given['loop'].lower() == 'true' else []
    player = Node(
        package='m3l_perception',
        executable='play',
        arguments=[str(bag), '--rate', given['rate'], *looping],
        output='screen',
    )
    segment = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(_SEGMENT)),
        launch_arguments=list(_topic_arguments(bag).items()),
    )
    is_over = OnProcessExit(target_action=player, on_exit=[Shutdown(reason='the bag is over')])
    return [segment, RegisterEventHandler(is_over), player]


def _topic_arguments(bag: Path) -> dict[str, str]:
    """Return the arguments of segment.launch.py that a bag's topics call for.

    Raises:
        M3lError: If the bag cannot be read, or lacks color or depth.
    """
    with Bag(bag) as opened:
        topics = find_topics(opened)
    arguments = {}
    for modality, topic in (('rgb', topics.rgb), ('depth', topics.depth)):
        base, transport = base_and_transport(topic or '')
        arguments |= {f'{modality}_topic': base, f'{modality}_transport': transport}
    if topics.camera_info is not None:
        arguments['camera_info_topic'] = topics.camera_info
    return arguments
