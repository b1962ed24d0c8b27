"""What can be found out without ROS: engines, the network, the machine."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from m3l_core.errors import M3lError
from m3l_perception.doctor.facts import Computer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from m3l_core.model_card import ModelCard

_LIBRARIES = ('openvino', 'torch', 'tensorrt', 'pycuda')

_VARIABLES = (
    'ROS_DISTRO', 'RMW_IMPLEMENTATION', 'ROS_DOMAIN_ID', 'ROS_AUTOMATIC_DISCOVERY_RANGE',
    'ROS_LOCALHOST_ONLY', 'ROS_STATIC_PEERS', 'ROS_DISCOVERY_SERVER', 'M3L_DDS_PROFILE',
    'FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE', 'CYCLONEDDS_URI',
)  # fmt: skip

_FILES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')

_RMEM_MAX = Path('/proc/sys/net/core/rmem_max')


def examine(model: Path, backend: str, environment: Mapping[str, str]) -> Computer:
    """Return what the machine has, after loading the network as the node would.

    Args:
        model: An exported network.
        backend: What the node is to run it with.
        environment: The variables as the user has set them.
    """
    from m3l_core.runtime.choosing import has_gpu

    given = {name: environment[name] for name in _VARIABLES if name in environment}
    described, model_problem = _described(model)
    engine, engine_problem = ('', '') if model_problem else _opened(model, backend)
    return Computer(
        libraries={name: _version(name) for name in _LIBRARIES},
        has_gpu=has_gpu(),
        model=described,
        model_problem=model_problem,
        backend=backend,
        engine=engine,
        engine_problem=engine_problem,
        rmem_max=_rmem_max(),
        environment=given,
        missing_files=tuple(
            given[name] for name in _FILES if name in given and not Path(given[name]).is_file()
        ),
    )


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _described(model: Path) -> tuple[str, str]:
    """Return a network in words, or why it cannot be used."""
    from m3l_core.runtime.onnx_card import read_onnx_card

    if not model.is_file():
        return '', f'{model}: no such file.'
    if model.suffix != '.onnx':  # a checkpoint, which its engine looks into
        return str(model), ''
    try:
        card = read_onnx_card(model)
    except M3lError as error:
        return '', str(error)
    height, width = card.image_size
    return (
        f'{card.name}: {len(card.classes)} classes, {width}x{height}, weights in {card.precision}'
        f'{_score(card)} ({model})'
    ), ''


def _score(card: ModelCard) -> str:
    """Return what the card tells of its accuracy with both modalities, if it does."""
    measured = card.metrics.get('val')
    both = measured.get('both') if isinstance(measured, dict) else None
    return f', mIoU {both:.1f} % on validation images' if isinstance(both, float) else ''


def _opened(model: Path, backend: str) -> tuple[str, str]:
    """Return which engine runs a network here, or why none does."""
    from m3l_core.runtime import open_engine

    try:
        engine = open_engine(model, backend, may_build=False)
    except M3lError as error:
        return '', str(error)
    name = f'{engine.backend} {engine.precision}'
    engine.close()
    return name, ''


def _rmem_max() -> int | None:
    try:
        return int(_RMEM_MAX.read_text(encoding='ascii'))
    except (OSError, ValueError):
        return None
