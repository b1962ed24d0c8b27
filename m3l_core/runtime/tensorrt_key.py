"""What a TensorRT engine depends on: network, machine and settings, and the key made of them.

An engine runs with the very version of TensorRT that built it, on the kind of GPU it was built
on. TensorRT has no way to ask whether a file still fits, so whatever may matter is in the key.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
import hashlib
import json
from pathlib import Path
import platform
from typing import get_args, Literal

from m3l_core.errors import ConfigError

FORMAT = 1
"""Raised when the same network on the same machine is built into another engine than before."""

TensorRtPrecision = Literal['float16', 'float32']

_L4T_RELEASE = Path('/etc/nv_tegra_release')
"""Only a Jetson has it; its first line names the release."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """All of a machine that an engine built on it depends on."""

    tensorrt: str
    gpu: str
    compute_capability: str
    multiprocessors: int
    memory_gib: int
    """Rounded: what the system keeps for itself changes by a little."""
    is_integrated: bool
    driver: int
    """CUDA version of the driver, such as 12060."""
    l4t: str
    """Release of a Jetson's system; empty elsewhere."""
    system: str

    def differences(self, other: object) -> list[str]:
        """Return in words what a recorded machine has else, as 'tensorrt 10.3.0, here 10.16.2'."""
        recorded = other if isinstance(other, dict) else {}
        return [
            f'{field.name} {recorded.get(field.name)}, here {getattr(self, field.name)}'
            for field in fields(self)
            if recorded.get(field.name) != getattr(self, field.name)
        ]


@dataclass(frozen=True, kw_only=True)
class BuildSettings:
    """How an engine is built."""

    precision: TensorRtPrecision = 'float16'
    """float16 computes in FP16 what the model's measured ranges allow, and the rest in FP32."""
    workspace_mib: int = 1024
    """Most GPU memory a layer may use for itself. All of it, TensorRT's default, gets a build
    on a Jetson killed, where other programs use the same memory."""
    optimization_level: int = 3
    """0 to 5: how long TensorRT searches for faster kernels."""

    def __post_init__(self) -> None:
        problems = []
        if self.precision not in get_args(TensorRtPrecision):
            problems.append(
                f'precision: expected one of {", ".join(get_args(TensorRtPrecision))}, '
                f'got {self.precision!r}'
            )
        if self.workspace_mib < 1:
            problems.append(f'workspace_mib: expected 1 or more, got {self.workspace_mib}')
        if not 0 <= self.optimization_level <= 5:
            problems.append(f'optimization_level: expected 0 to 5, got {self.optimization_level}')
        if problems:
            raise ConfigError(f'{"; ".join(problems)}.')


def engine_key(model_sha256: str, precision: str, machine: Machine) -> str:
    """Return the key of the engine of one network for one machine, 64 hexadecimal digits.

    How long was searched for fast kernels is not in it: any such engine will do.
    """
    return _sha256({'model': model_sha256, 'precision': precision} | asdict(machine))


def timing_key(machine: Machine) -> str:
    """Return the key under which measured times of kernels are kept for a machine."""
    return _sha256(asdict(machine))


def sha256(data: bytes) -> str:
    """Return the hash of some bytes, 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def l4t_release() -> str:
    """Return the release of a Jetson's system, '' on other machines."""
    try:
        return _L4T_RELEASE.read_text(encoding='utf-8').partition('\n')[0].strip('# ')
    except OSError:
        return ''


def system_name() -> str:
    """Return operating system and processor, such as 'Linux aarch64'."""
    return f'{platform.system()} {platform.machine()}'


def _sha256(facts: dict[str, object]) -> str:
    return sha256(json.dumps({'format': FORMAT} | facts, sort_keys=True).encode())
