"""PyTorch: half precision and CUDA graphs on a GPU, and the reference in float32 on the CPU.

On a GPU every array has a place of its own, in page-locked host memory and in the GPU's, so that
a frame is one copy there for each input, one launch, and one copy back for each output.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn, Tensor

from m3l_core import checkpoint
from m3l_core.errors import EngineError, ModelError
from m3l_core.network.deploy import Deployment
from m3l_core.runtime.engine import expect_inputs
from m3l_core.runtime.onnx_card import read_onnx_card
from m3l_core.weights_file import weights_sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from m3l_core.model_card import ModelCard
    from m3l_core.network import LinearFusion

    Launch = Callable[[], Sequence[Tensor]]
    """Computes the outputs of inputs that lie where they always do."""

_TYPES = {'float32': torch.float32, 'float16': torch.float16, 'bf16': torch.bfloat16}

_WARM_UP_RUNS = 3
"""Before a capture: setting up libraries and choosing kernels cannot be replayed."""


class TorchEngine:
    """A checkpoint run by PyTorch, folded like the exported graph.

    Args:
        path: A checkpoint, or an exported network `NAME.onnx` with the checkpoint it was made
            from beside it as `NAME.safetensors`.
        precision: 'float32', 'float16', 'bf16', or 'auto': float16 on a GPU, where it gives more
            of the labels than bf16 does, and float32 on the CPU, as this engine is the reference.
        threads: CPU threads to use; 0 for PyTorch's choice. It counts for the whole process.
        warn: Told if the GPU has to be used in a slower way.

    Attributes:
        device: 'cuda' or 'cpu'.

    Raises:
        ModelError: If a file is missing, damaged, or does not hold such a network.
        EngineError: If the GPU cannot take it.
    """

    backend = 'torch'
    streams = 1

    def __init__(
        self,
        path: Path,
        *,
        precision: str,
        threads: int,
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        model, self.card = _load(path)
        if threads:
            torch.set_num_threads(threads)
        self.device = 'cuda' if has_cuda() else 'cpu'
        auto = 'float16' if self.device == 'cuda' else 'float32'
        self.precision = auto if precision == 'auto' else precision
        module = Deployment(model, self.card)
        if self.precision != 'float32':
            module.in_half_precision(_TYPES[self.precision])
        # Images that were tokens lie so in memory already; convolutions then reorder nothing.
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._call: OnCpu | OnFixedMemory | None
        try:
            if self.device == 'cpu':
                self._call = OnCpu(module)
            else:
                examples = example_inputs(self.card)
                self._call = OnFixedMemory(module, examples, torch.device('cuda'), captured, warn)
        except RuntimeError as error:
            raise EngineError(f'{path}: torch cannot load it: {_one_line(error)}') from error

    def run(
        self,
        rgb: NDArray[np.uint8],
        depth: NDArray[np.float32],
        present: NDArray[np.float32],
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return labels and confidence; see `Engine.run`."""
        expect_inputs(self.card, rgb, depth, present)
        if self._call is None:
            raise EngineError('engine: it is closed. Open it again.')
        # Writable as well: the bytes of a message are not, which torch warns of.
        arrays = (np.require(array, requirements=['C', 'W']) for array in (rgb, depth, present))
        inputs = [torch.from_numpy(array) for array in arrays]
        try:
            labels, confidence = self._call(inputs)
        except RuntimeError as error:
            raise EngineError(f'engine: torch failed to run: {_one_line(error)}') from error
        return labels, confidence

    def close(self) -> None:
        """Free the network."""
        self._call = None
        if self.device == 'cuda':
            torch.cuda.empty_cache()


def has_cuda() -> bool:
    """Return whether PyTorch can use a GPU here."""
    return torch.cuda.is_available()


def example_inputs(card: ModelCard) -> list[Tensor]:
    """Return black images of the size that the network takes."""
    height, width = card.image_size
    return [
        torch.zeros(1, height, width, 3, dtype=torch.uint8),
        torch.zeros(1, height, width),
        torch.ones(1, 2),
    ]


class OnCpu:
    """A module called as it is; images are read where they lie."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module

    @torch.inference_mode()
    def __call__(self, inputs: Sequence[Tensor]) -> list[NDArray[np.uint8]]:
        """Return what the module makes of the inputs."""
        return [output.numpy() for output in self._module(*inputs)]


class OnFixedMemory:
    """A module whose inputs and outputs always lie in the same memory, as a CUDA graph needs it.

    Args:
        module: Takes and returns several tensors.
        examples: Inputs of the right shapes and types.
        device: Where it runs. The bookkeeping is the same on a CPU, so it is tested there.
        capture: Returns what launches the module on its inputs; `captured`.
        warn: Told if that fails, and each operator is launched by itself instead.

    Raises:
        RuntimeError: If the device has not enough memory, or fails.
    """

    @torch.inference_mode()
    def __init__(
        self,
        module: nn.Module,
        examples: Sequence[Tensor],
        device: torch.device,
        capture: Callable[[nn.Module, Sequence[Tensor]], Launch],
        warn: Callable[[str], None],
    ) -> None:
        self._device = device
        module = module.to(device)
        self._sent = [self._host_copy(example) for example in examples]
        self._inputs = [example.to(device, copy=True) for example in examples]
        try:
            with _exact_convolutions():
                self._launch = capture(module, self._inputs)
        except RuntimeError as error:
            warn(f'no CUDA graph, so the GPU waits for the CPU: {_one_line(error)}')
            self._launch = _exact_convolutions()(lambda: module(*self._inputs))
        outputs = self._launch()
        self._received = [self._host_copy(output) for output in outputs]
        self._wait()

    @torch.inference_mode()
    def __call__(self, inputs: Sequence[Tensor]) -> list[NDArray[np.uint8]]:
        """Return copies of what the module makes of the inputs, once they are in host memory."""
        for given, sent, placed in zip(inputs, self._sent, self._inputs, strict=True):
            sent.copy_(given)
            placed.copy_(sent, non_blocking=True)
        for output, received in zip(self._launch(), self._received, strict=True):
            received.copy_(output, non_blocking=True)
        self._wait()
        return [received.numpy().copy() for received in self._received]

    def _host_copy(self, tensor: Tensor) -> Tensor:
        """Return host memory for such a tensor, page-locked so that a GPU reads it by itself."""
        is_gpu = self._device.type == 'cuda'
        return torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=is_gpu)

    def _wait(self) -> None:
        if self._device.type == 'cuda':
            torch.cuda.current_stream().synchronize()


@contextmanager
def _exact_convolutions() -> Iterator[None]:
    """Let float32 mean float32: cuDNN otherwise rounds what it multiplies to 10 bits."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False):
        yield


def captured(module: nn.Module, inputs: Sequence[Tensor]) -> Launch:
    """Return what replays `module` on `inputs`, tensors on a GPU, as one CUDA graph.

    Raises:
        RuntimeError: If something in it cannot be captured.
    """
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(_WARM_UP_RUNS):
            module(*inputs)
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    # Other threads may go on using the GPU meanwhile.
    with torch.cuda.graph(graph, capture_error_mode='thread_local'):
        outputs: Sequence[Tensor] = module(*inputs)

    def replay() -> Sequence[Tensor]:
        """Compute `outputs`, which stay where they are."""
        graph.replay()
        return outputs

    return replay


def _load(path: Path) -> tuple[LinearFusion, ModelCard]:
    """Return the weights in `path` or beside it, and the card of `path`."""
    if path.suffix != '.onnx':
        return checkpoint.load(path)
    exported = read_onnx_card(path)
    weights = path.with_suffix('.safetensors')
    if not weights.is_file():
        raise ModelError(
            f'{path}: the torch engine needs the checkpoint beside it, got no {weights.name}. '
            'Copy it there, or use backend openvino.'
        )
    model, _ = checkpoint.load(weights)
    if weights_sha256(weights.read_bytes()) != exported.weights_sha256:
        raise ModelError(
            f'{weights}: expected the checkpoint that was exported with {path.name}, got '
            'another. Copy the right one there.'
        )
    return model, exported


def _one_line(error: RuntimeError) -> str:
    """Return the first line of an error of PyTorch, which says what; hints follow."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return f'{lines[0].strip().rstrip(".")}.'
