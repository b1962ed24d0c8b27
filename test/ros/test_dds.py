"""Which environment a node is started with."""

from __future__ import annotations

import pytest

from m3l_core.errors import ConfigError
from m3l_perception.dds import profile_environment, SHIPPED_PROFILE


@pytest.mark.parametrize(
    ('distribution', 'variable'),
    [
        ('humble', 'FASTRTPS_DEFAULT_PROFILES_FILE'),
        ('jazzy', 'FASTRTPS_DEFAULT_PROFILES_FILE'),
        ('kilted', 'FASTDDS_DEFAULT_PROFILES_FILE'),
        ('', 'FASTDDS_DEFAULT_PROFILES_FILE'),
    ],
)
def test_variable_is_the_one_the_distribution_reads(distribution: str, variable: str) -> None:
    environment = profile_environment('shipped', {'ROS_DISTRO': distribution})
    assert environment == {variable: str(SHIPPED_PROFILE)}


@pytest.mark.parametrize(
    'environment',
    [
        {'RMW_IMPLEMENTATION': 'rmw_cyclonedds_cpp'},
        {'FASTRTPS_DEFAULT_PROFILES_FILE': '/mine.xml'},
        {'FASTDDS_DEFAULT_PROFILES_FILE': '/mine.xml'},
    ],
)
def test_other_middleware_and_the_users_own_profile_are_left_alone(
    environment: dict[str, str],
) -> None:
    assert profile_environment('shipped', environment) == {}


def test_keep_changes_nothing() -> None:
    assert profile_environment('keep', {}) == {}


def test_profile_that_is_no_file_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^dds_profile: expected shipped, .* got '/no\.xml'\.$"):
        profile_environment('/no.xml', {})
