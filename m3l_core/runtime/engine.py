"""What every engine can do, and which one opens a model file."""

from __future__ import annotations

from pathlib import Path
from typing import get_args, Literal, Protocol, TYPE_CHECKING

import numpy as np

from m3l_core.errors import EngineError, expect_array, missing_module, ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from m3l_core.model_card import ModelCard

Backend = Literal['auto', 'tensorrt', 'openvino', 'torch']
Precision = Literal['auto', 'float32', 'float16', 'bf16']

PRECISIONS: dict[str, tuple[str, ...]] = {
    'tensorrt': ('auto', 'float32', 'float16'),
    'openvino': ('auto', 'float32', 'bf16'),
    'torch': ('auto', 'float32', 'float16', 'bf16'),
}
"""What each back end can be asked to compute in."""

MODEL_SUFFIXES = ('.onnx', '.safetensors')
"""What the name of a model file ends in."""


class Engine(Protocol):
    """A network loaded and ready: images in, labels out.

    Attributes:
        card: What the network is and expects; its `image_size` is the H and W below.
        backend: The library that runs it.
        precision: The number format it computes in.
        streams: How many threads may call `run` at a time.
    """

    card: ModelCard
    backend: str
    precision: str
    streams: int

    def run(
        self,
        rgb: NDArray[np.uint8],
        depth: NDArray[np.float32],
        present: NDArray[np.float32],
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return labels and confidence, each `(1, H, W)`, for one pair of images.

        Args:
            rgb: `(1, H, W, 3)` in the order R, G, B.
            depth: `(1, H, W)` in meters; 0 or NaN where the sensor saw nothing.
            present: `(1, 2)`, 1 where color and depth are there, 0 where not. The images of
                a missing modality are not looked at.

        Raises:
            FrameError: If an array has another shape or type.
            EngineError: If the engine fails.
        """
        ...

    def close(self) -> None:
        """Free what the engine holds; it cannot run afterwards."""
        ...


def expect_inputs(
    card: ModelCard,
    rgb: NDArray[np.uint8],
    depth: NDArray[np.float32],
    present: NDArray[np.float32],
) -> None:
    """Check the arrays given to an engine.

    Raises:
        FrameError: If one has another shape or type than the network takes.
    """
    height, width = card.image_size
    hint = 'Segmenter fits images of any size.'
    expect_array('rgb', rgb, (1, height, width, 3), np.uint8, hint=hint)
    expect_array('depth', depth, (1, height, width), np.float32, hint=hint)
    expect_array('present', present, (1, 2), np.float32)


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
    if not path.is_file():
        raise ModelError(f'{path}: no such file. Give the path of a model file.')
    if path.suffix not in MODEL_SUFFIXES:
        raise ModelError(
            f'{path}: expected a model file, NAME.onnx of m3l export or NAME.safetensors of '
            'm3l train. Give the path of one.'
        )

    def open_with(backend: str, *, may_build: bool = True) -> Engine:
        """Open the file with one back end."""
        _expect_choice(f'precision with backend {backend}', precision, PRECISIONS[backend])
        try:
            if backend == 'tensorrt':
                from m3l_core.runtime.tensorrt_building import open_tensorrt

                return open_tensorrt(
                    path, precision, cache_dir, may_build=may_build, say=say, warn=warn
                )
            if backend == 'openvino':
                from m3l_core.runtime.openvino_engine import OpenVinoEngine

                return OpenVinoEngine(
                    path,
                    precision=precision,
                    threads=threads,
                    cache_dir=cache_dir,
                    streams=streams,
                    warn=warn,
                )
            from m3l_core.runtime.torch_engine import TorchEngine

            return TorchEngine(path, precision=precision, threads=threads, warn=warn)
        except ModuleNotFoundError as error:
            raise EngineError(str(missing_module(error, f'the {backend} engine'))) from error

    if backend == 'auto':
        from m3l_core.runtime.choosing import open_best

        return open_best(path, open_with, warn)
    return open_with(backend, may_build=may_build)


def _expect_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise EngineError(f'{name}: expected one of {", ".join(choices)}, got {value!r}.')
