"""PyTorch on the CPU: the reference, and the engine where no other is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from m3l_core import checkpoint
from m3l_core.errors import EngineError, ModelError
from m3l_core.network.deploy import Deployment
from m3l_core.runtime.engine import expect_inputs
from m3l_core.runtime.onnx_card import read_onnx_card
from m3l_core.weights_file import weights_sha256

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


class TorchEngine:
    """A checkpoint run by PyTorch, folded like the exported graph.

    Args:
        path: A checkpoint, or an exported network `NAME.onnx` with the checkpoint it was made
            from beside it as `NAME.safetensors`.
        precision: 'float32', 'bf16', or 'auto' for float32, as this engine is the reference.
        threads: CPU threads to use; 0 for PyTorch's choice. It counts for the whole process.

    Raises:
        ModelError: If a file is missing, damaged, or does not hold such a network.
    """

    backend = 'torch'
    streams = 1

    def __init__(self, path: Path, *, precision: str, threads: int) -> None:
        weights = path
        if path.suffix == '.onnx':
            exported = read_onnx_card(path)
            weights = path.with_suffix('.safetensors')
            if not weights.is_file():
                raise ModelError(
                    f'{path}: the torch engine needs the checkpoint beside it, got no '
                    f'{weights.name}. Copy it there, or use backend openvino.'
                )
        model, self.card = checkpoint.load(weights)
        if path.suffix == '.onnx':
            if weights_sha256(weights.read_bytes()) != exported.weights_sha256:
                raise ModelError(
                    f'{weights}: expected the checkpoint that was exported with {path.name}, got '
                    'another. Copy the right one there.'
                )
            self.card = exported
        if threads:
            torch.set_num_threads(threads)
        self.precision = 'float32' if precision == 'auto' else precision
        self._module: Deployment | None = Deployment(model, self.card)

    def run(
        self,
        rgb: NDArray[np.uint8],
        depth: NDArray[np.float32],
        present: NDArray[np.float32],
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return labels and confidence; see `Engine.run`."""
        expect_inputs(self.card, rgb, depth, present)
        if self._module is None:
            raise EngineError('engine: it is closed. Open it again.')
        inputs = (torch.from_numpy(np.ascontiguousarray(a)) for a in (rgb, depth, present))
        half = self.precision == 'bf16'
        try:
            with torch.inference_mode(), torch.autocast('cpu', torch.bfloat16, enabled=half):
                labels, confidence = self._module(*inputs)
        except RuntimeError as error:
            raise EngineError(f'engine: torch failed to run: {error}') from error
        return labels.numpy(), confidence.numpy()

    def close(self) -> None:
        """Free the network."""
        self._module = None


def has_cuda() -> bool:
    """Return whether PyTorch can use a GPU here."""
    return torch.cuda.is_available()
