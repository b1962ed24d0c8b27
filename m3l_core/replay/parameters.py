"""The node's parameters file, read without ROS: what is scored is set up as what is deployed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from difflib import get_close_matches
from typing import Any, Literal, TYPE_CHECKING

from m3l_core.config import from_mapping, load_yaml
from m3l_core.errors import ConfigError
from m3l_core.models import named_model
from m3l_core.stream import StreamConfig

if TYPE_CHECKING:
    from pathlib import Path

_NODE_NAMES = ('/**', 'm3l_segment', '/m3l_segment', '/**/m3l_segment')
"""Keys under which a parameters file may address the node; later ones win."""

_ONLY_LIVE = ('use_sim_time', 'autostart', 'always_on')
"""Parameters of the node that mean nothing to a replay: a bag has one clock and no listeners."""


@dataclass(frozen=True, kw_only=True)
class EngineSettings:
    """Which network runs how, and in which form images come; names and defaults of the node's."""

    model: str = ''
    backend: Literal['auto', 'openvino', 'torch', 'tensorrt'] = 'auto'
    precision: Literal['auto', 'float32', 'float16', 'bf16'] = 'auto'
    threads: int = 0
    rgb_transport: Literal['', 'raw', 'compressed'] = ''
    """Of two topics with one camera's images, the one to read; empty takes raw where it is."""
    depth_transport: Literal['', 'raw', 'compressedDepth', 'compressed'] = ''
    depth_fallback_transport: Literal['', 'raw', 'compressedDepth', 'compressed'] = ''
    """Of no use here: the topic of fallback depth is given whole."""

    @property
    def model_path(self) -> Path:
        """The file of the network."""
        return named_model(self.model)


@dataclass(frozen=True, kw_only=True)
class LabelingSettings:
    """What is labeled and published; names and defaults of the node's."""

    min_confidence: float = 0.0
    """Probability below which a pixel is unlabeled (255)."""
    max_rate: float = 0.0
    """Most frames labeled a second; 0 for all there is time for."""

    def __post_init__(self) -> None:
        """Refuse what the node refuses."""
        problems = [
            f'{name}: expected 0 to {most:g}, got {value:g}'
            for name, most in (('min_confidence', 1.0), ('max_rate', 1000.0))
            if not 0 <= (value := getattr(self, name)) <= most
        ]
        if problems:
            raise ConfigError('; '.join(problems) + '.')


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """All that a parameters file says to a replay."""

    engine: EngineSettings = field(default_factory=EngineSettings)
    labeling: LabelingSettings = field(default_factory=LabelingSettings)
    stream: StreamConfig = field(default_factory=StreamConfig)
    warnings: tuple[str, ...] = ()
    """Keys that were not used; one line each."""

    def to_dict(self) -> dict[str, Any]:
        """Return what decides about labels, for JSON."""
        return {part: asdict(getattr(self, part)) for part in _PARTS}


_PARTS: dict[str, type[Any]] = {
    'engine': EngineSettings,
    'labeling': LabelingSettings,
    'stream': StreamConfig,
}


def read_parameters(path: Path | None, overrides: dict[str, Any] | None = None) -> Parameters:
    """Return the parameters in a file for the node, or the defaults.

    Args:
        path: A file such as `config/segment.yaml`, or None.
        overrides: Engine settings that win over the file; None among them says nothing.

    Raises:
        ConfigError: Naming every value that is refused.
    """
    values = {} if path is None else _node_values(path)
    values |= {key: value for key, value in (overrides or {}).items() if value is not None}
    mine: dict[str, Any] = {
        part: {f.name: values.pop(f.name) for f in fields(cls) if f.name in values}
        for part, cls in _PARTS.items()
    }
    known = [f.name for cls in _PARTS.values() for f in fields(cls)]
    mine['warnings'] = [
        f'{path}: {key} is not used by a replay.{_did_you_mean(key, known)}'
        for key in values
        if key not in _ONLY_LIVE and not key.startswith('qos_overrides')
    ]
    parameters: Parameters = from_mapping(Parameters, mine, str(path or 'parameters'))
    return parameters


def _node_values(path: Path) -> dict[str, Any]:
    """Return the parameters that a file gives to the node."""
    content = load_yaml(path)
    values: dict[str, Any] = {}
    found = [content[name] for name in _NODE_NAMES if name in content]
    if not found:
        raise ConfigError(
            f'{path}: expected parameters of {" or ".join(_NODE_NAMES[:2])}, got '
            f'{", ".join(map(str, content)) or "nothing"}. Give a file for the node.'
        )
    for of_node in found:
        parameters = (of_node or {}).get('ros__parameters') if isinstance(of_node, dict) else None
        if not isinstance(parameters, dict):
            raise ConfigError(f'{path}: expected a mapping ros__parameters below the node.')
        values |= parameters
    return values


def _did_you_mean(key: str, known: list[str]) -> str:
    near = get_close_matches(key, known, n=1)
    return f' Did you mean {near[0]}?' if near else ''
