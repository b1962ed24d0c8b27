"""What travels with weights and engines: all that is needed to use a network rightly."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
import json
import math
from typing import Any, Literal

from m3l_core.architecture import Architecture
from m3l_core.classes import ClassSet
from m3l_core.errors import ConfigError, ModelError

CARD_KEY = 'm3l_card'
"""Key of the card in safetensors metadata and in ONNX `metadata_props`."""

CARD_FORMAT = 1

TEST_SCORED = 'test_scored'
"""Among a card's metrics: how often the weights were scored on test, by data set."""


@dataclass(frozen=True, kw_only=True)
class DepthEncoding:
    """How meters become the three channels of the depth stream.

    `metric3` gives (near/z, z/far, valid) with holes (0, 0, 0), so a hole differs from any
    distance; `inverse` repeats near/z three times; `minmax` is the paper's per-image scaling to
    [0, 1], repeated.
    """

    kind: Literal['metric3', 'inverse', 'minmax'] = 'metric3'
    near_m: float = 0.4
    """Closest distance the encoding tells apart; closer readings count as this."""
    far_m: float = 10.0
    """Farthest distance the encoding tells apart; farther readings count as this."""

    def __post_init__(self) -> None:
        if not 0 < self.near_m < self.far_m:
            raise ConfigError(
                f'depth encoding: expected 0 < near_m < far_m, got {self.near_m}, {self.far_m}.'
            )


@dataclass(frozen=True, kw_only=True)
class ModeCalibration:
    """How the two streams' logits become the labels and the confidence of one mode."""

    rgb_share: float
    """Weight in [0, 1] of the color stream's logits; the depth stream's have the rest."""
    temperature: float
    """What the logits are divided by; above 1 the network was surer than it was right."""

    def __post_init__(self) -> None:
        if not 0 <= self.rgb_share <= 1 or not 0 < self.temperature < math.inf:
            raise ConfigError(
                'calibration: expected rgb_share in [0, 1] and a positive temperature, got '
                f'{self.rgb_share} and {self.temperature}.'
            )


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The calibration of each mode, fitted on validation images after training."""

    both: ModeCalibration
    depth_missing: ModeCalibration
    rgb_missing: ModeCalibration

    @classmethod
    def from_dict(cls, values: dict[str, dict[str, float]]) -> Calibration:
        """Return the calibration that `asdict` made a mapping of."""
        return cls(**{mode: ModeCalibration(**fitted) for mode, fitted in values.items()})


@dataclass(frozen=True, kw_only=True)
class ActivationRanges:
    """How large the values inside the exported graph became on real frames, in float32."""

    frames: str
    """How many frames, in how many modes, from where."""
    groups: dict[str, float]
    """Largest absolute value by part of the network."""
    large: dict[str, float]
    """Largest absolute value of each tensor that came near what half precision can be trusted
    with, or beyond it; by its name in the graph."""

    def __post_init__(self) -> None:
        values = [*self.groups.values(), *self.large.values()]
        if not all(isinstance(value, int | float) for value in values):
            raise ConfigError('ranges: expected numbers, got something else.')


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What a network is, expects and was measured to do.

    Attributes:
        image_size: Height and width of the images the deployed graph takes and labels.
        network_size: Height and width the images are resized to inside the graph.
        training: Data, recipe, time and code version, for a reader.
        metrics: Measured numbers by name, in percent unless the name says otherwise.
        calibration: Weights of the streams and temperature of each mode; None = softmax(alpha)
            of the weights and 1 in every mode.
        precision: Number format of the exported constants.
        parity: Agreement with the float32 reference, by back end.
        ranges: What decides which operators may compute in half precision; None before export.
        license_note: Terms that come with the training data.
    """

    name: str
    architecture: Architecture
    classes: ClassSet
    image_size: tuple[int, int] = (480, 640)
    network_size: tuple[int, int] = (480, 640)
    rgb_mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    rgb_std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    depth: DepthEncoding = field(default_factory=DepthEncoding)
    training: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    precision: str = 'float32'
    parity: dict[str, Any] = field(default_factory=dict)
    ranges: ActivationRanges | None = None
    license_note: str = ''
    calibration: Calibration | None = None
    weights_sha256: str = ''
    """Hash of the weights, in the checkpoint that lies beside an exported graph; empty there."""

    def __post_init__(self) -> None:
        if len(self.classes) != self.architecture.num_classes:
            raise ConfigError(
                f'model card: {len(self.classes)} class names for '
                f'{self.architecture.num_classes} outputs.'
            )

    def recalibrated(self, calibration: Calibration) -> ModelCard:
        """Return the card with another calibration, and without the scores that the old one gave.

        How often the weights were scored on test stays: they are the same weights.
        """
        metrics = {key: self.metrics[key] for key in (TEST_SCORED,) if key in self.metrics}
        return replace(self, calibration=calibration, metrics=metrics)

    def to_json(self) -> str:
        """Return the card as one JSON object."""
        return json.dumps({'format': CARD_FORMAT, **asdict(self)}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str, where: str) -> ModelCard:
        """Return the card that `to_json` wrote; `where` names its file in errors.

        Raises:
            ModelError: If the text is no model card of a known format.
        """
        try:
            values = json.loads(text)
            version = values.pop('format')
            if version != CARD_FORMAT:
                raise ModelError(
                    f'{where}: its model card has format {version}, this version reads '
                    f'{CARD_FORMAT}. Export it again with this version.'
                )
            pair_keys = ('image_size', 'network_size', 'rgb_mean', 'rgb_std')
            values.update({key: tuple(values[key]) for key in pair_keys})
            values['architecture'] = Architecture.from_dict(values['architecture'])
            values['depth'] = DepthEncoding(**values['depth'])
            values['classes'] = ClassSet(
                tuple(values['classes']['names']),
                tuple((r, g, b) for r, g, b in values['classes']['palette']),
            )
            if values.get('calibration') is not None:
                values['calibration'] = Calibration.from_dict(values['calibration'])
            if values.get('ranges') is not None:
                values['ranges'] = ActivationRanges(**values['ranges'])
            return cls(**values)
        except (ValueError, KeyError, TypeError, AttributeError, ConfigError) as error:
            raise ModelError(f'{where}: its model card cannot be read: {error!r}.') from error
