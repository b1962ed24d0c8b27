"""Which engines this machine can be asked about, and what the others would need."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from m3l_core.bench.machine import processor
from m3l_core.errors import EngineError
from m3l_core.runtime.choosing import has_gpu
from m3l_core.runtime.engine import PRECISIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

_NEEDS = {
    'tensorrt': (('tensorrt', 'pycuda'), 'tensorrt'),
    'openvino': (('openvino',), 'openvino'),
    'torch': (('torch', 'safetensors'), 'train'),
}
"""Modules of each back end, and the extra of this package that brings them."""


@dataclass(frozen=True)
class Contender:
    """One back end in one precision."""

    backend: str
    precision: str

    def __str__(self) -> str:
        return f'{self.backend} {self.precision}'


def contenders(
    suffix: str, backends: Sequence[str], precisions: Sequence[str]
) -> tuple[list[Contender], dict[str, str]]:
    """Return what can be measured, and why each back end that cannot be is left out.

    Args:
        suffix: Of the model file; a checkpoint is run by torch alone.
        backends: Which to look at; none means all.
        precisions: Which to take; none means those that are worth a try on this machine.

    Raises:
        EngineError: If a back end has none of the precisions that were asked for.
    """
    found, left_out = [], {}
    for backend in backends or _NEEDS:
        modules, extra = _NEEDS[backend]
        missing = [module for module in modules if find_spec(module) is None]
        if missing:
            left_out[backend] = (
                f'{", ".join(missing)} not installed: pip install "m3l_perception[{extra}]"'
            )
        elif suffix != '.onnx' and backend != 'torch':
            left_out[backend] = f'runs exported networks only, not {suffix} files'
        else:
            chosen = [p for p in precisions if p in PRECISIONS[backend]] or _worth_it(backend)
            if precisions and not set(precisions) & set(PRECISIONS[backend]):
                left_out[backend] = f'has no {" or ".join(precisions)}'
                continue
            found += [Contender(backend, precision) for precision in chosen]
    if not found:
        reasons = '; '.join(f'{backend}: {why}' for backend, why in left_out.items())
        raise EngineError(f'bench: there is no engine to measure. {reasons}.')
    return found, left_out


def _worth_it(backend: str) -> list[str]:
    """Return the precisions that this machine may gain from, float32 first."""
    on_gpu = has_gpu() and backend != 'openvino'
    half = {
        'float16': on_gpu,
        'bf16': any('bf16' in flag for flag in processor().flags) and not on_gpu,
    }
    return [p for p in PRECISIONS[backend] if p == 'float32' or half.get(p, False)]
