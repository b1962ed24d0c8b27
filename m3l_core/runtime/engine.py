"""What every engine can do, and what it can be asked for."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Literal, Protocol, TYPE_CHECKING

import numpy as np

from m3l_core.errors import EngineError, expect_array, missing_module

if TYPE_CHECKING:
    from collections.abc import Iterator

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


@contextmanager
def importing(backend: str) -> Iterator[None]:
    """Tell in one line why the library of a back end cannot be imported.

    Raises:
        EngineError: If it is not installed, or something below it is missing or does not fit.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise EngineError(str(missing_module(error, f'the {backend} engine'))) from error
    except (ImportError, OSError) as error:  # such as a wheel that was made for another CUDA
        raise EngineError(
            f'the {backend} engine: {backend} is installed, but cannot be loaded: '
            f'{" ".join(str(error).split()).rstrip(".")}. Install it again.'
        ) from error
