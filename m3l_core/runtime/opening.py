"""From a model file to the engine that runs it: the one asked for, or the best there is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import get_args, TYPE_CHECKING

from m3l_core.errors import EngineError, ModelError
from m3l_core.runtime.choosing import open_best
from m3l_core.runtime.engine import Backend, importing, Precision, PRECISIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from m3l_core.runtime.engine import Engine

MODEL_SUFFIXES = ('.onnx', '.safetensors')
"""What the name of a model file ends in."""


def _nobody(text: str) -> None:
    """Take what nobody wants to be told."""


def open_engine(
    path: Path | str,
    backend: str = 'auto',
    *,
    precision: str = 'auto',
    threads: int = 0,
    cache_dir: Path | None = None,
    streams: int = 1,
    may_build: bool = True,
    say: Callable[[str], None] = _nobody,
    warn: Callable[[str], None] = _nobody,
) -> Engine:
    """Return the network in `path`, loaded into an engine.

    Args:
        path: An ONNX file that `m3l export` wrote, or (with torch) a checkpoint.
        backend: One of `Backend`. 'auto' takes a TensorRT engine that was built and checked
            before, else torch on a GPU, else OpenVINO, else torch on the CPU; 'tensorrt' builds
            an engine where there is none, which takes minutes.
        precision: One of `Precision`; 'auto' takes the fastest the processor has.
        threads: CPU threads to use; 0 for all.
        cache_dir: Where compiled networks are kept, so that the next start is quick; None is
            `cache_folder()` for TensorRT, and keeps none for OpenVINO.
        streams: Frames to label side by side, each by its share of the threads: more a second,
            and each takes longer. Only OpenVINO does; see `Engine.streams` for what came of it.
        may_build: Whether 'tensorrt' builds an engine where there is none.
        say: Told what is going on where it takes long.
        warn: Told why 'auto' takes less than the machine has, and of what slows an engine down.

    Raises:
        ModelError: If the file is missing, damaged, or not what it should be.
        EngineError: If a choice is unknown, the library is missing, or cannot run the network.
    """
    path = Path(path)
    _expect_choice('backend', backend, get_args(Backend))
    _expect_choice('precision', precision, get_args(Precision))
    if threads < 0:
        raise EngineError(f'threads: expected 0 (all) or more, got {threads}.')
    _expect_model(path)
    request = _Request(path, precision, threads, cache_dir, streams, say, warn)
    if backend == 'auto':
        return open_best(path, request.open_with, warn)
    return request.open_with(backend, may_build=may_build)


@dataclass(frozen=True)
class _Request:
    """What is to be opened and how, whichever engine does it; see `open_engine`."""

    path: Path
    precision: str
    threads: int
    cache_dir: Path | None
    streams: int
    say: Callable[[str], None]
    warn: Callable[[str], None]

    def open_with(self, backend: str, *, may_build: bool = True) -> Engine:
        """Open the file with one back end."""
        _expect_choice(f'precision with backend {backend}', self.precision, PRECISIONS[backend])
        if backend == 'tensorrt':
            return self._with_tensorrt(may_build=may_build)
        return self._with_openvino() if backend == 'openvino' else self._with_torch()

    def _with_tensorrt(self, *, may_build: bool) -> Engine:
        from m3l_core.runtime.tensorrt_building import open_tensorrt

        return open_tensorrt(
            self.path,
            self.precision,
            self.cache_dir,
            may_build=may_build,
            say=self.say,
            warn=self.warn,
        )

    def _with_openvino(self) -> Engine:
        with importing('openvino'):
            from m3l_core.runtime.openvino_engine import OpenVinoEngine

        return OpenVinoEngine(
            self.path,
            precision=self.precision,
            threads=self.threads,
            cache_dir=self.cache_dir,
            streams=self.streams,
            warn=self.warn,
        )

    def _with_torch(self) -> Engine:
        with importing('torch'):
            from m3l_core.runtime.torch_engine import TorchEngine

        return TorchEngine(
            self.path, precision=self.precision, threads=self.threads, warn=self.warn
        )


def _expect_model(path: Path) -> None:
    """Refuse what is no model file by its name.

    Raises:
        ModelError: If there is no such file, or its name ends in something else.
    """
    if not path.is_file():
        raise ModelError(f'{path}: no such file. Give the path of a model file.')
    if path.suffix not in MODEL_SUFFIXES:
        raise ModelError(
            f'{path}: expected a model file, NAME.onnx of m3l export or NAME.safetensors of '
            'm3l train. Give the path of one.'
        )


def _expect_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise EngineError(f'{name}: expected one of {", ".join(choices)}, got {value!r}.')
