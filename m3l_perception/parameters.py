"""ROS parameters to frozen configs and back; holds no default of its own."""

from __future__ import annotations

from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any, get_args, get_origin, get_type_hints, Literal, TYPE_CHECKING

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException

from m3l_core.errors import ConfigError
from m3l_core.models import named_model
from m3l_core.stream import StreamConfig
from m3l_perception.compat import change_before_setting, given_parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from rclpy.node import Node
    from rclpy.parameter import Parameter


@dataclass(frozen=True, kw_only=True)
class NodeConfig:
    """Which network runs how, and in which form images come; read when the node configures."""

    model: str = ''
    backend: Literal['auto', 'tensorrt', 'openvino', 'torch'] = 'auto'
    precision: Literal['auto', 'float32', 'float16', 'bf16'] = 'auto'
    threads: int = 0
    rgb_transport: Literal['raw', 'compressed'] = 'raw'
    depth_transport: Literal['raw', 'compressedDepth', 'compressed'] = 'raw'
    depth_fallback_transport: Literal['raw', 'compressedDepth', 'compressed'] = 'raw'
    autostart: bool = True

    @property
    def model_path(self) -> Path:
        """The file of the network."""
        return named_model(self.model)


@dataclass(frozen=True, kw_only=True)
class LabelingConfig:
    """What is labeled and published; can change at any time."""

    min_confidence: float = 0.0
    max_rate: float = 0.0
    always_on: bool = False


_DESCRIPTIONS = {
    'model': 'Path of the exported network (.onnx); empty takes the one that is shipped.',
    'backend': 'Library that runs the network; auto takes the best one that is installed.',
    'precision': 'Number format it computes in; auto takes the fastest the processor has.',
    'threads': 'CPU threads for the network; 0 takes all.',
    'rgb_transport': 'Form of rgb/image: raw, or compressed (JPEG, PNG) on rgb/image/compressed.',
    'depth_transport': 'Form of depth/image: raw, or compressedDepth or compressed (PNG) on the '
    'topic of that name below it.',
    'depth_fallback_transport': 'Form of depth/image_fallback, likewise.',
    'autostart': 'Configure and activate at the start, without a lifecycle manager.',
    'min_confidence': 'Probability below which a pixel is unlabeled (255); 0 labels all.',
    'max_rate': 'Most frames labeled a second; 0 labels as many as the network can.',
    'always_on': 'Label also while nobody listens to what labels give.',
    'max_pair_gap': 'Largest difference of stamps of a pair, in seconds; 0 takes 0.55 periods of '
    'the faster stream, at most 0.035.',
    'depth_stamp_offset': 'Added to every depth stamp before pairing, in seconds.',
    'pair_wait': 'How long RGB waits for its depth, in seconds; 0 learns it.',
    'pair_wait_max': 'Most that a learned pair_wait may be, in seconds.',
    'stale_after': 'Silence after which a stream counts as lost, in seconds, never less than 2.5 '
    'of its periods; 0 takes 4 periods, at least 0.3.',
    'recovery_frames': 'Successive pairs needed before the mode is RGBD again.',
    'recovery_time': 'Time of unbroken pairs before the mode is RGBD again, in seconds.',
    'unpaired': 'RGB images between two of a slower depth stream: skip them, or label them from '
    'rgb alone.',
}

_RANGES: dict[str, tuple[float, float]] = {
    'threads': (0, 1024),
    'min_confidence': (0.0, 1.0),
    'max_rate': (0.0, 1000.0),
    'max_pair_gap': (0.0, 1.0),
    'depth_stamp_offset': (-3600.0, 3600.0),
    'pair_wait': (0.0, 2.0),
    'pair_wait_max': (0.001, 2.0),
    'stale_after': (0.0, 60.0),
    'recovery_frames': (1, 1000),
    'recovery_time': (0.0, 60.0),
}

_CONFIGS = (NodeConfig, LabelingConfig, StreamConfig)
_OWNERS = {field.name: config for config in _CONFIGS for field in fields(config)}
"""Which of the configs each parameter belongs to."""

_DEFAULTS: dict[str, Any] = {
    field.name: field.default for config in _CONFIGS for field in fields(config)
}


class Parameters:
    """The node's parameters, declared and watched.

    Args:
        node: Whose parameters they are.
        is_configured: Whether the network is loaded, so that NodeConfig cannot change.
        on_stream_change: Told the new stream settings when they change.
        on_labeling_change: Told the new settings of what is labeled when they change.

    Raises:
        ConfigError: If a value given at the start is refused; says why.
    """

    def __init__(
        self,
        node: Node,
        *,
        is_configured: Callable[[], bool],
        on_stream_change: Callable[[StreamConfig], None],
        on_labeling_change: Callable[[LabelingConfig], None],
    ) -> None:
        self._is_configured = is_configured
        self._on_stream_change = on_stream_change
        self._on_labeling_change = on_labeling_change
        self._values: dict[str, Any] = {}
        for name in _DEFAULTS:
            self._values[name] = _declared(node, name)
        for config in _CONFIGS:
            _config(config, self._values)
        _warn_of_unknown(node)
        change_before_setting(node, _with_floats)
        node.add_on_set_parameters_callback(self._on_set)

    @property
    def node(self) -> NodeConfig:
        """The network's settings now."""
        config: NodeConfig = _config(NodeConfig, self._values)
        return config

    @property
    def labeling(self) -> LabelingConfig:
        """What is labeled and published now."""
        config: LabelingConfig = _config(LabelingConfig, self._values)
        return config

    @property
    def stream(self) -> StreamConfig:
        """The stream's settings now."""
        config: StreamConfig = _config(StreamConfig, self._values)
        return config

    def _on_set(self, changes: Sequence[Parameter]) -> SetParametersResult:
        """Accept or refuse changes while the node runs."""
        wanted = {change.name: change.value for change in changes if change.name in self._values}
        fixed = sorted(name for name in wanted if _OWNERS[name] is NodeConfig)
        if fixed and self._is_configured():
            return SetParametersResult(
                successful=False,
                reason=f'{", ".join(fixed)}: read when the node configures. '
                'Clean it up first (ros2 lifecycle set NODE cleanup).',
            )
        values = self._values | wanted
        try:
            new = {config: _config(config, values) for config in _CONFIGS}
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        changed = {_OWNERS[name] for name, value in wanted.items() if value != self._values[name]}
        self._values = values
        if StreamConfig in changed:
            self._on_stream_change(new[StreamConfig])
        if LabelingConfig in changed:
            self._on_labeling_change(new[LabelingConfig])
        return SetParametersResult(successful=True)


def _config(cls: type[Any], values: dict[str, Any]) -> Any:  # noqa: ANN401
    """Return the dataclass `cls` of its share of `values`, refusing what is no choice."""
    problems = []
    mine = {field.name: values[field.name] for field in fields(cls)}
    for name, value in mine.items():
        choices = _choices(cls, name)
        if choices and value not in choices:
            problems.append(f'{name}: expected one of {", ".join(choices)}, got {value!r}')
    if problems:
        raise ConfigError('; '.join(problems) + '.')
    return cls(**mine)


def _choices(cls: type[Any], name: str) -> tuple[str, ...]:
    kind = get_type_hints(cls)[name]
    return get_args(kind) if get_origin(kind) is Literal else ()


def _declared(node: Node, name: str) -> object:
    """Declare one parameter and return its value.

    Raises:
        ConfigError: If its value is of another type or out of range.
    """
    default = _DEFAULTS[name]
    try:
        return node.declare_parameter(name, default, _descriptor(name)).value
    except InvalidParameterTypeException as error:
        given = given_parameters(node)[name].value
        is_whole = type(given) is int and type(default) is float
        hint = f' Write {float(given)}.' if is_whole else ''
        raise ConfigError(
            f'{name}: expected a value like {default!r}, got {given!r}.{hint}'
        ) from error
    except InvalidParameterValueException as error:
        least, most = _RANGES[name]
        given = given_parameters(node)[name].value
        raise ConfigError(f'{name}: expected {least} to {most}, got {given!r}.') from error


def _with_floats(changes: list[Parameter]) -> list[Parameter]:
    """Return changes in which 5 is 5.0 where a float is asked for, as everybody writes it."""
    return [
        type(change)(change.name, value=float(change.value))
        if type(change.value) is int and type(_DEFAULTS.get(change.name)) is float
        else change
        for change in changes
    ]


def _descriptor(name: str) -> ParameterDescriptor:
    default = _DEFAULTS[name]
    descriptor = ParameterDescriptor(description=_DESCRIPTIONS[name])
    choices = _choices(_OWNERS[name], name)
    if choices:
        descriptor.additional_constraints = f'One of {", ".join(choices)}.'
    if name in _RANGES:
        least, most = _RANGES[name]
        if isinstance(default, int):
            whole = IntegerRange(from_value=int(least), to_value=int(most), step=1)
            descriptor.integer_range = [whole]
        else:
            descriptor.floating_point_range = [
                FloatingPointRange(from_value=least, to_value=most, step=0.0)
            ]
    return descriptor


def _warn_of_unknown(node: Node) -> None:
    """Name given parameters that nobody declared: most are spelled wrong."""
    for name in given_parameters(node):
        if not node.has_parameter(name) and not name.startswith('qos_overrides.'):
            near = get_close_matches(name, _OWNERS, n=1)
            hint = f' Did you mean {near[0]}?' if near else ''
            node.get_logger().warning(f'{name}: no such parameter, ignored.{hint}')
