"""Which Fast DDS profile a process is started with; imports no ROS, so launch can ask it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from m3l_core.errors import ConfigError
from m3l_perception.compat import profile_variable, PROFILE_VARIABLES

if TYPE_CHECKING:
    from collections.abc import Mapping

SHIPPED_PROFILE = Path(__file__).with_name('fastdds_profile.xml')

CHOICE_VARIABLE = 'M3L_DDS_PROFILE'
"""Tells a process its choice, shipped unless it is set: launch has no other way to say keep."""


def profile_environment(choice: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables to set so that Fast DDS has room for images; often none.

    A profile that the user already set stays, and other middleware is left alone.

    Args:
        choice: 'shipped', 'keep' (change nothing), or the path of another profile.
        environment: The variables of the process to be started, as `os.environ`.

    Raises:
        ConfigError: If the path names no file.
    """
    if choice == 'keep':
        return {}
    profile = SHIPPED_PROFILE if choice == 'shipped' else Path(choice).expanduser()
    if not profile.is_file():
        raise ConfigError(
            f'dds_profile: expected shipped, keep, or the path of a file, got {choice!r}.'
        )
    uses_fast_dds = 'fastrtps' in environment.get('RMW_IMPLEMENTATION', 'rmw_fastrtps_cpp')
    if not uses_fast_dds or not environment.keys().isdisjoint(PROFILE_VARIABLES):
        return {}
    return {profile_variable(environment): str(profile.resolve())}


def use_profile() -> None:
    """Let Fast DDS find, in this process, the profile that was chosen; before rclpy starts.

    Raises:
        ConfigError: If the choice names no file.
    """
    choice = os.environ.get(CHOICE_VARIABLE, 'shipped')
    os.environ.update(profile_environment(choice, os.environ))
