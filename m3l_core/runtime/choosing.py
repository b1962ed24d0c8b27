"""Which engine `auto` means: the fastest that is ready on this machine, and why not a faster one.

a TensorRT engine that passed its check > torch on a GPU > OpenVINO > torch on the CPU
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Protocol, TYPE_CHECKING

from m3l_core.errors import EngineError, M3lError
from m3l_core.runtime.engine import importing

if TYPE_CHECKING:
    from collections.abc import Callable

    from m3l_core.runtime.engine import Engine

GPU_DEVICES = (Path('/dev/nvidia0'), Path('/dev/nvhost-gpu'), Path('/dev/nvgpu'))
"""Of a desktop, and of Jetsons; asking a library instead takes seconds."""


class OpenWith(Protocol):
    """Opens the file with one back end."""

    def __call__(self, backend: str, *, may_build: bool = ...) -> Engine:
        """Return the engine.

        Raises:
            M3lError: If this back end cannot.
        """


def has_gpu() -> bool:
    """Return whether there is a GPU that TensorRT or CUDA may run on."""
    return any(device.exists() for device in GPU_DEVICES)


def open_best(path: Path, open_with: OpenWith, warn: Callable[[str], None]) -> Engine:
    """Return the network in the fastest engine that is ready here; builds none.

    Args:
        path: An ONNX file or a checkpoint.
        open_with: Opens it with a back end.
        warn: Told in a line why it is not a faster one.

    Raises:
        M3lError: If no engine can run it.
    """
    is_onnx = path.suffix == '.onnx'
    reasons: list[str] = []
    if has_gpu():
        for backend in ('tensorrt', 'torch') if is_onnx else ('torch',):
            try:
                if backend == 'torch':
                    _expect_cuda()
                return _told(open_with(backend, may_build=False), reasons, warn)
            except M3lError as error:
                reasons.append(str(error))
    if is_onnx and find_spec('openvino') is not None:
        return _told(open_with('openvino'), reasons, warn)
    if is_onnx:
        reasons.append(
            'OpenVINO is not installed: pip install "m3l_perception[openvino]" brings it.'
        )
    try:
        return _told(open_with('torch'), reasons, warn)
    except M3lError as error:
        if not reasons:
            raise
        raise EngineError(' '.join([*reasons, str(error)])) from error


def _expect_cuda() -> None:
    if find_spec('torch') is None:
        raise EngineError('torch is not installed.')
    with importing('torch'):
        from m3l_core.runtime.torch_engine import has_cuda

    if not has_cuda():
        raise EngineError('torch sees no usable GPU.')


def _told(engine: Engine, reasons: list[str], warn: Callable[[str], None]) -> Engine:
    if reasons:
        warn(f'auto takes {engine.backend} {engine.precision}: {" ".join(reasons)}')
    return engine
