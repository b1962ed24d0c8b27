"""What an engine depends on is in its key, and settings out of range are named together."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

import pytest
from stand_in_toolkit import ORIN

from m3l_core.errors import ConfigError
from m3l_core.runtime import tensorrt_key
from m3l_core.runtime.tensorrt_key import BuildSettings, engine_key, l4t_release, timing_key

if TYPE_CHECKING:
    from pathlib import Path

OTHER = {str: 'other', int: 1, bool: False}


def test_key_is_the_same_every_time() -> None:
    """Pinned: it has changed if engines that fit are built again on every robot."""
    assert engine_key('ab', 'float16', ORIN) == engine_key('ab', 'float16', replace(ORIN))
    assert engine_key('ab', 'float16', ORIN).startswith('34df0196cc3a655e')


@pytest.mark.parametrize('name', [field.name for field in fields(ORIN)])
def test_everything_about_the_machine_is_in_the_keys(name: str) -> None:
    other = replace(ORIN, **{name: OTHER[type(getattr(ORIN, name))]})
    assert engine_key('ab', 'float16', other) != engine_key('ab', 'float16', ORIN)
    assert timing_key(other) != timing_key(ORIN)
    assert len(other.differences(vars(ORIN))) == 1


def test_model_precision_and_format_are_in_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {engine_key(model, p, ORIN) for model in ('ab', 'cd') for p in ('float16', 'float32')}
    monkeypatch.setattr(tensorrt_key, 'FORMAT', tensorrt_key.FORMAT + 1)
    assert len(keys | {engine_key('ab', 'float16', ORIN)}) == 5


@pytest.mark.parametrize('recorded', [None, 'text', {}])
def test_unreadable_record_differs_in_everything(recorded: object) -> None:
    assert len(ORIN.differences(recorded)) == len(fields(ORIN))


def test_settings_name_every_problem_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        BuildSettings(precision='int8', workspace_mib=0, optimization_level=-1)  # type: ignore[arg-type]
    assert str(caught.value) == (
        "precision: expected one of float16, float32, got 'int8'; "
        'workspace_mib: expected 1 or more, got 0; optimization_level: expected 0 to 5, got -1.'
    )


@pytest.mark.parametrize(('level', 'fits'), [(0, True), (5, True), (6, False)])
def test_optimization_levels_are_those_of_tensorrt(level: int, fits: bool) -> None:
    if fits:
        assert BuildSettings(optimization_level=level).optimization_level == level
    else:
        with pytest.raises(ConfigError):
            BuildSettings(optimization_level=level)


def test_release_of_a_jetson_is_its_first_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / 'nv_tegra_release'
    monkeypatch.setattr(tensorrt_key, '_L4T_RELEASE', file)
    assert l4t_release() == ''
    file.write_text('# R36 (release), REVISION: 4.3, GCID: 38968081\n# KERNEL_VARIANT: oot\n')
    assert l4t_release() == 'R36 (release), REVISION: 4.3, GCID: 38968081'
