from __future__ import annotations

import json
import re

import pytest

from m3l_core.architecture import Architecture
from m3l_core.classes import NYU13
from m3l_core.errors import ConfigError, ModelError
from m3l_core.model_card import Calibration, DepthEncoding, ModeCalibration, ModelCard

CARD = ModelCard(
    name='b0',
    architecture=Architecture.mit('b0', num_classes=13),
    classes=NYU13,
    network_size=(240, 320),
    depth=DepthEncoding(kind='minmax'),
    metrics={'both': 41.5},
    license_note='NYUv2: research only',
    calibration=Calibration(
        both=ModeCalibration(rgb_share=0.55, temperature=1.3),
        depth_missing=ModeCalibration(rgb_share=1.0, temperature=0.9),
        rgb_missing=ModeCalibration(rgb_share=0.0, temperature=2.0),
    ),
)


def test_card_survives_json() -> None:
    assert ModelCard.from_json(CARD.to_json(), 'b0.onnx') == CARD


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        ('{', 'b0.onnx: its model card cannot be read: JSONDecodeError('),
        ('[]', 'b0.onnx: its model card cannot be read: '),
        ('{"format": 1}', "b0.onnx: its model card cannot be read: KeyError('image_size')."),
        (
            '{"format": 2}',
            'b0.onnx: its model card has format 2, this version reads 1. '
            'Export it again with this version.',
        ),
    ],
)
def test_unreadable_card_is_refused_by_the_name_of_its_file(text: str, said: str) -> None:
    with pytest.raises(ModelError, match=re.escape(said)):
        ModelCard.from_json(text, 'b0.onnx')


def test_unknown_key_is_refused() -> None:
    values = json.loads(CARD.to_json()) | {'surprise': 1}
    with pytest.raises(ModelError, match='surprise'):
        ModelCard.from_json(json.dumps(values), 'b0.onnx')


def test_class_names_must_match_the_outputs() -> None:
    with pytest.raises(ConfigError, match='13 class names for 5 outputs'):
        ModelCard(name='x', architecture=Architecture.mit('b0', num_classes=5), classes=NYU13)


def test_card_without_calibration_is_read() -> None:
    values = json.loads(CARD.to_json())
    del values['calibration']
    assert ModelCard.from_json(json.dumps(values), 'b0.onnx').calibration is None


@pytest.mark.parametrize(('share', 'temperature'), [(-0.1, 1), (1.1, 1), (0.5, 0), (0.5, 'inf')])
def test_calibration_out_of_range_is_refused(share: float, temperature: float) -> None:
    with pytest.raises(ConfigError, match=r'expected rgb_share in \[0, 1\] and a positive'):
        ModeCalibration(rgb_share=share, temperature=float(temperature))


@pytest.mark.parametrize(('near_m', 'far_m'), [(0.0, 10.0), (2.0, 2.0)])
def test_depth_range_must_be_one(near_m: float, far_m: float) -> None:
    with pytest.raises(ConfigError, match='expected 0 < near_m < far_m'):
        DepthEncoding(near_m=near_m, far_m=far_m)
