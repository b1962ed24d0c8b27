from __future__ import annotations

from pathlib import Path
import re

import pytest

from m3l_core.errors import ConfigError
from m3l_core.models import default_model
from m3l_core.replay.parameters import read_parameters
from m3l_core.stream import StreamConfig

NODE_FILE = Path(__file__).parents[3] / 'config' / 'segment.yaml'


def test_the_file_that_is_shipped_for_the_node_means_the_defaults() -> None:
    parameters = read_parameters(NODE_FILE)
    assert parameters.stream == StreamConfig()
    assert parameters.engine.model_path == default_model()
    assert parameters.warnings == ()


def test_every_stream_and_engine_parameter_of_the_node_is_understood(tmp_path: Path) -> None:
    """With the comment signs removed, the shipped file sets what it explains."""
    text = re.sub(r'^    # (\w+): ', r'    \1: ', NODE_FILE.read_text(), flags=re.MULTILINE)
    (tmp_path / 'all.yaml').write_text(text)
    parameters = read_parameters(tmp_path / 'all.yaml')
    assert parameters.stream == StreamConfig()
    assert not [w for w in parameters.warnings if 'Did you mean' in w]


def test_the_nodes_own_name_wins_over_wildcards_and_arguments_over_both(tmp_path: Path) -> None:
    (tmp_path / 'p.yaml').write_text(
        'm3l_segment: {ros__parameters: {pair_wait: 0.02, threads: 3}}\n'
        '/**: {ros__parameters: {pair_wait: 0.5, recovery_frames: 7}}\n'
    )
    parameters = read_parameters(tmp_path / 'p.yaml', {'threads': 1, 'model': None})
    assert parameters.stream == StreamConfig(pair_wait=0.02, recovery_frames=7)
    assert parameters.engine.threads == 1


def test_what_a_replay_does_not_use_is_told(tmp_path: Path) -> None:
    path = tmp_path / 'p.yaml'
    path.write_text('/**: {ros__parameters: {pair_wiat: 0.02, use_sim_time: true}}')
    assert read_parameters(path).warnings == (
        f'{path}: pair_wiat is not used by a replay. Did you mean pair_wait?',
    )


def test_values_are_refused_as_by_the_node_all_at_once(tmp_path: Path) -> None:
    (tmp_path / 'p.yaml').write_text(
        '/**: {ros__parameters: {pair_wait: -1.0, unpaired: never, backend: tpu}}'
    )
    with pytest.raises(ConfigError) as error:
        read_parameters(tmp_path / 'p.yaml')
    assert 'backend: expected one of' in str(error.value)
    assert 'unpaired: expected one of' in str(error.value)


def test_a_file_for_another_node_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'p.yaml').write_text('camera: {ros__parameters: {}}')
    with pytest.raises(ConfigError, match=r'expected parameters of /\*\* or m3l_segment, got cam'):
        read_parameters(tmp_path / 'p.yaml')
