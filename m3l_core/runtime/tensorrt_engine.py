"""TensorRT on an NVIDIA GPU, desktop or Jetson."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING
import weakref

from m3l_core.errors import EngineError, ModelError
from m3l_core.runtime.engine import expect_inputs
from m3l_core.runtime.tensorrt_api import build_plan, LoadedPlan, version
from m3l_core.runtime.tensorrt_cuda import Buffers, current_context, describe_gpu
from m3l_core.runtime.tensorrt_key import l4t_release, Machine, system_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from m3l_core.model_card import ModelCard
    from m3l_core.runtime.tensorrt_api import Tensor
    from m3l_core.runtime.tensorrt_key import BuildSettings, TensorRtPrecision
    from m3l_core.runtime.tensorrt_progress import Watcher
    from m3l_core.runtime.tensorrt_toolkit import Plan

_OUTPUTS = ('labels', 'confidence')


class TensorRtToolkit:
    """Builds and opens engines on this machine's first GPU; see `Toolkit`."""

    def machine(self) -> Machine:
        """Return what engines built here depend on."""
        tensorrt = version()
        with current_context():
            gpu = describe_gpu()
        return Machine(
            tensorrt=tensorrt,
            gpu=gpu.name,
            compute_capability=gpu.compute_capability,
            multiprocessors=gpu.multiprocessors,
            memory_gib=round(gpu.memory_bytes / 2**30),
            is_integrated=gpu.is_integrated,
            driver=gpu.driver,
            l4t=l4t_release(),
            system=system_name(),
        )

    def build(
        self, graph: bytes, settings: BuildSettings, timing_cache: bytes, watcher: Watcher
    ) -> Plan:
        """Build the engine of an ONNX graph."""
        with current_context():
            return build_plan(graph, settings, timing_cache, watcher)

    def open(self, plan: bytes, card: ModelCard, precision: TensorRtPrecision) -> TensorRtEngine:
        """Load an engine."""
        return TensorRtEngine(plan, card, precision=precision)


class TensorRtEngine:
    """An engine on the GPU; any thread may run it, and one at a time does.

    Args:
        plan: What TensorRT built on this machine.
        card: Of the model it was built from.
        precision: What it computes in.

    Raises:
        StaleEngineError: If TensorRT refuses the plan.
        ModelError: If it has other inputs or outputs than the card tells.
        EngineError: If there is no GPU or its memory is short.
    """

    backend = 'tensorrt'
    streams = 1

    def __init__(self, plan: bytes, card: ModelCard, *, precision: str) -> None:
        self.card = card
        self.precision = precision
        self._on_gpu = _OnGpu(plan, card)
        # Also when a process ends without closing it: CUDA is gone soon after.
        self._free = weakref.finalize(self, self._on_gpu.close)

    def run(
        self,
        rgb: NDArray[np.uint8],
        depth: NDArray[np.float32],
        present: NDArray[np.float32],
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return labels and confidence; see `Engine.run`."""
        expect_inputs(self.card, rgb, depth, present)
        return self._on_gpu.run({'rgb': rgb, 'depth': depth, 'present': present})

    def close(self) -> None:
        """Free the engine and its memory."""
        self._free()


class _OnGpu:
    """What an engine holds on the GPU: its plan, loaded, and the memory it reads and writes."""

    def __init__(self, plan: bytes, card: ModelCard) -> None:
        self._lock = Lock()
        self._is_closed = False
        with current_context():
            self._plan = LoadedPlan(plan)
            try:
                _expect_interface(self._plan.tensors, card)
                self._buffers = Buffers(
                    {name: (t.shape, t.dtype) for name, t in self._plan.tensors.items()}
                )
            except BaseException:
                self._plan.close()
                raise
            try:
                for name in self._plan.tensors:
                    self._plan.bind(name, self._buffers.address(name))
            except BaseException:
                self._release()
                raise

    def run(
        self, inputs: Mapping[str, NDArray[np.generic]]
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return the outputs for these inputs, when they are in host memory."""
        with self._lock:
            if self._is_closed:
                raise EngineError('engine: it is closed. Open it again.')
            with current_context():
                try:
                    for name, array in inputs.items():
                        self._buffers.upload(name, array)
                    self._plan.enqueue(self._buffers.stream)
                    for name in _OUTPUTS:
                        self._buffers.download(name)
                    self._buffers.wait()
                except BaseException:
                    self._buffers.settle()  # or the next run writes what this one still reads
                    raise
                labels, confidence = (self._buffers.result(name) for name in _OUTPUTS)
        return labels, confidence

    def close(self) -> None:
        """Free everything, once; waits for a run in another thread."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                with current_context():
                    self._release()

    def _release(self) -> None:
        # In this order, or TensorRT frees memory on a stream or in a context that is gone.
        self._buffers.settle()
        self._plan.close()
        self._buffers.close()


def _expect_interface(tensors: Mapping[str, Tensor], card: ModelCard) -> None:
    """Check that inputs and outputs are those of the deployment graph at the card's size."""
    height, width = card.image_size
    expected = {
        'rgb': ((1, height, width, 3), 'uint8', True),
        'depth': ((1, height, width), 'float32', True),
        'present': ((1, 2), 'float32', True),
        'labels': ((1, height, width), 'uint8', False),
        'confidence': ((1, height, width), 'uint8', False),
    }
    found = {name: (t.shape, t.dtype, t.is_input) for name, t in tensors.items()}
    if found != expected:
        raise ModelError(
            f'{card.name}: expected an engine with {_told(expected)}, got {_told(found)}. '
            'Export the model again.'
        )


def _told(tensors: Mapping[str, tuple[tuple[int, ...], str, bool]]) -> str:
    return ', '.join(
        f'{"in" if is_input else "out"} {name} {shape} {dtype}'
        for name, (shape, dtype, is_input) in sorted(tensors.items())
    )
