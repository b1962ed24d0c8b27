"""What `m3l play` is asked for and cannot do."""

from __future__ import annotations

import os
import subprocess
import sys

from node_harness import PATIENCE_S
import pytest

PLAY = (sys.executable, '-m', 'm3l_perception.play')


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (['--rate', 'inf', '--loop'], '--rate: expected a number above 0, got inf.'),
        (['--rate', 'nan'], '--rate: expected a number above 0, got nan.'),
        (['--origin', 'inf'], '--origin: expected a time in seconds, got inf.'),
    ],
)
def test_number_that_is_no_time_is_refused_in_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from m3l_core.samples import sample_bag
    from m3l_perception.play import main

    assert main([str(sample_bag()), *arguments]) == 2
    assert capsys.readouterr().err == f'm3l: {said}\n'


def test_player_takes_the_profile_that_its_launch_chose() -> None:
    """It sets none of its own where `keep` was chosen, as little as one that is no file."""
    from m3l_core.samples import sample_bag

    chosen = {**os.environ, 'M3L_DDS_PROFILE': '/no.xml'}
    done = subprocess.run(
        [*PLAY, str(sample_bag())], env=chosen, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert done.returncode == 2
    assert done.stderr == (
        "m3l: dds_profile: expected shipped, keep, or the path of a file, got '/no.xml'.\n"
    )
