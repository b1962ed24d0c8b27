from __future__ import annotations

import pytest

from m3l_core.errors import ConfigError
from m3l_core.stream import StreamConfig


def test_the_defaults_are_those_of_the_design() -> None:
    assert StreamConfig() == StreamConfig(
        max_pair_gap=0.0,
        depth_stamp_offset=0.0,
        pair_wait=0.0,
        pair_wait_max=0.15,
        stale_after=0.0,
        recovery_frames=3,
        recovery_time=0.5,
        unpaired='skip',
    )


def test_every_refused_value_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as refused:
        StreamConfig(max_pair_gap=-1.0, recovery_frames=0, unpaired='drop')  # type: ignore[arg-type]
    assert str(refused.value) == (
        'max_pair_gap: expected at least 0, got -1.0; '
        'recovery_frames: expected at least 1, got 0; '
        "unpaired: expected 'skip' or 'rgb', got 'drop'."
    )


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_a_time_that_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(ConfigError, match='depth_stamp_offset: expected a finite number'):
        StreamConfig(depth_stamp_offset=value)


@pytest.mark.parametrize('value', [0.0, 2.01])
def test_the_longest_wait_is_bounded(value: float) -> None:
    with pytest.raises(ConfigError, match='pair_wait_max: expected more than 0 and at most 2'):
        StreamConfig(pair_wait_max=value)


def test_depth_clocks_may_be_ahead_or_behind() -> None:
    assert StreamConfig(depth_stamp_offset=-3600.0).depth_stamp_offset == -3600
