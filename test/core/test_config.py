from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
import re
from typing import Any, Literal

import pytest

from m3l_core.config import from_mapping, load_yaml
from m3l_core.errors import ConfigError


@dataclass(frozen=True)
class Optimizer:
    rate: float = 0.1

    def __post_init__(self) -> None:
        if self.rate <= 0:
            raise ConfigError(f'rate: expected more than 0, got {self.rate}.')


@dataclass(frozen=True)
class Training:
    steps: int
    size: tuple[int, int] = (480, 640)
    scales: tuple[float, ...] = ()
    method: Literal['supervised', 'm3l'] = 'supervised'
    folder: Path | None = None
    names: dict[int, str] = field(default_factory=dict)
    optimizer: Optimizer = field(default_factory=Optimizer)

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ConfigError(f'steps: expected at least 1, got {self.steps}.')


def refusal(values: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        from_mapping(Training, values, 'train.yaml')
    return str(caught.value)


def test_mapping_fills_nested_dataclasses_and_keeps_defaults() -> None:
    values = {
        'steps': 5,
        'size': [240, 320],
        'scales': [1, 0.5],
        'folder': 'runs/a',
        'names': {1: 'one'},
        'optimizer': {'rate': 1},
    }
    config = from_mapping(Training, values, 'train.yaml')
    assert config == Training(
        5, (240, 320), (1.0, 0.5), 'supervised', Path('runs/a'), {1: 'one'}, Optimizer(1.0)
    )
    assert isinstance(config.optimizer.rate, float)
    assert from_mapping(Training, {'steps': 5, 'folder': None}, 'x') == Training(5)


def test_every_problem_is_named_at_once() -> None:
    assert refusal({'step': 5, 'method': 'magic', 'size': [1, 2, 3]}) == (
        "train.yaml.step: unknown key, expected one of ['folder', 'method', 'names', 'optimizer', "
        "'scales', 'size', 'steps']; train.yaml.steps: is missing; "
        'train.yaml.method: expected one of '
        "['supervised', 'm3l'], got 'magic'; train.yaml.size: expected 2 entries, got 3."
    )


@pytest.mark.parametrize(
    ('values', 'text'),
    [
        ({'steps': '5'}, "train.yaml.steps: expected int, got '5'."),
        ({'steps': True}, 'train.yaml.steps: expected int, got True.'),
        ({'steps': 5, 'size': 480}, 'train.yaml.size: expected a list, got 480.'),
        ({'steps': 5, 'scales': ['a']}, "train.yaml.scales[0]: expected float, got 'a'."),
        ({'steps': 5, 'optimizer': 3}, 'train.yaml.optimizer: expected a mapping, got 3.'),
        (
            {'steps': 5, 'optimizer': {'rate': 0}},
            'train.yaml.optimizer: rate: expected more than 0, got 0.0.',
        ),
    ],
)
def test_refusal_tells_where_what_and_why(values: dict[str, Any], text: str) -> None:
    assert refusal(values) == text


@pytest.mark.parametrize(
    ('optimizer', 'text'),
    [
        ({'rate': -1}, 'train.yaml.optimizer: rate: expected more than 0, got -1.0'),
        ({'rate': 'fast'}, "train.yaml.optimizer.rate: expected float, got 'fast'"),
        ({'speed': 1}, "train.yaml.optimizer.speed: unknown key, expected one of ['rate']"),
        (3, 'train.yaml.optimizer: expected a mapping, got 3'),
    ],
)
def test_what_is_wrong_inside_hides_nothing_of_what_is_wrong_outside(
    optimizer: object, text: str
) -> None:
    refused = refusal({'steps': 0, 'optimizer': optimizer})
    assert refused == f'{text}; train.yaml: steps: expected at least 1, got 0.'


def test_every_unknown_key_is_named_beside_what_is_out_of_range() -> None:
    refused = refusal({'steps': 0, 'b': 1, 'a': 1})
    assert re.fullmatch('.*[.]a: unknown.*[.]b: unknown.*steps: expected at least 1.*', refused)


def test_a_number_that_yaml_takes_for_text_is_a_float(tmp_path: Path) -> None:
    (tmp_path / 'a.yaml').write_text('steps: 1\nscales: [3e-4, -1E+2, 1.5e3]\n')
    values = load_yaml(tmp_path / 'a.yaml')
    assert values['scales'] == ['3e-4', '-1E+2', '1.5e3']
    assert from_mapping(Training, values, 'a.yaml').scales == (3e-4, -100.0, 1500.0)
    assert 'expected int' in refusal({'steps': '3e4'})


def test_yaml_file_becomes_a_mapping(tmp_path: Path) -> None:
    (tmp_path / 'a.yaml').write_text('steps: 5\n')
    assert load_yaml(tmp_path / 'a.yaml') == {'steps': 5}


@pytest.mark.parametrize(
    ('content', 'text'),
    [
        (None, 'No such file or directory. Give the path of a YAML file.'),
        (b'a: [', 'is not valid YAML: '),
        (b'\xff\xfe\xfa', 'is not valid YAML: '),
        (b'- 1\n', 'expected a mapping of keys to values.'),
    ],
)
def test_bad_yaml_file_is_refused_in_one_line(
    tmp_path: Path, content: bytes | None, text: str
) -> None:
    path = tmp_path / 'a.yaml'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=re.escape(f'{path}: {text}')) as caught:
        load_yaml(path)
    assert '\n' not in str(caught.value)


def test_keys_and_values_of_a_mapping_are_checked() -> None:
    assert refusal({'steps': 1, 'names': {'a': 1}}) == (
        "train.yaml.names: key: expected int, got 'a'; train.yaml.names.a: expected str, got 1."
    )
    assert 'train.yaml.names: expected a mapping, got 3' in refusal({'steps': 1, 'names': 3})
