"""The parameters are those of the configs, and the file that lists them says the same."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
import re

import yaml

from m3l_core.stream import StreamConfig
from m3l_perception import parameters

CONFIG = Path(__file__).parents[2] / 'config' / 'segment.yaml'


def test_every_field_is_described_and_every_number_has_a_range() -> None:
    for cls in parameters._CONFIGS:
        for field in fields(cls):
            assert field.name in parameters._DESCRIPTIONS
            if type(field.default) in (int, float):
                least, most = parameters._RANGES[field.name]
                assert least <= field.default <= most


def test_every_value_within_its_range_makes_a_config() -> None:
    for end in (0, 1):
        numbers = {
            name: type(getattr(StreamConfig, name))(ends[end])
            for name, ends in parameters._RANGES.items()
            if hasattr(StreamConfig, name)
        }
        StreamConfig(**numbers)


def test_config_file_shows_every_default() -> None:
    uncommented = re.sub(r'(?m)^    # (?=\w+: )', '    ', CONFIG.read_text())
    shown = yaml.safe_load(uncommented)['/**']['ros__parameters']
    shown.pop('use_sim_time')
    defaults: dict[str, object] = {}
    for config in parameters._CONFIGS:
        defaults |= asdict(config())
    assert shown == defaults


def test_config_file_changes_no_default() -> None:
    assert yaml.safe_load(CONFIG.read_text())['/**']['ros__parameters'] == {'use_sim_time': False}


def test_config_file_shows_every_limit() -> None:
    for name, (least, most) in parameters._RANGES.items():
        (line,) = re.findall(rf'(?m)^    # {name}: .*$', CONFIG.read_text())
        assert f'{least:g} to {most:g}' in line
