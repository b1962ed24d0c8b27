"""OpenVINO on the CPU: the default where there is no GPU."""

from __future__ import annotations

from queue import SimpleQueue
from typing import Any, TYPE_CHECKING

import openvino as ov

from m3l_core.errors import EngineError, ModelError
from m3l_core.runtime.engine import expect_inputs
from m3l_core.runtime.onnx_card import read_onnx_card

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from m3l_core.model_card import ModelCard

_OPENVINO_NAMES = {'float32': 'f32', 'bf16': 'bf16'}


class OpenVinoEngine:
    """An exported network on the CPU.

    Args:
        path: An ONNX file that `m3l export` wrote.
        precision: 'float32', 'bf16', or 'auto' for bf16 where the CPU multiplies it natively.
        threads: CPU threads to use; 0 for all.
        cache_dir: Where compiled networks are kept; None keeps none.
        streams: Frames that may be labeled side by side, each by its share of the threads.

    Raises:
        ModelError: If the file is damaged or does not hold such a network.
        EngineError: If OpenVINO cannot compile it.
    """

    backend = 'openvino'

    def __init__(
        self,
        path: Path,
        *,
        precision: str,
        threads: int,
        cache_dir: Path | None = None,
        streams: int = 1,
    ) -> None:
        self.card = read_onnx_card(path)
        core = ov.Core()
        self.precision = _native_precision(core) if precision == 'auto' else precision
        options: dict[str, Any] = {
            'PERFORMANCE_HINT': 'LATENCY',
            'INFERENCE_PRECISION_HINT': _OPENVINO_NAMES[self.precision],
            'NUM_STREAMS': str(streams),
        }
        if threads:
            options['INFERENCE_NUM_THREADS'] = threads
        if cache_dir is not None:
            core.set_property({'CACHE_DIR': str(cache_dir)})
        try:
            model = core.read_model(str(path))
        except RuntimeError as error:
            raise ModelError(
                f'{path}: OpenVINO cannot read it: {_one_line(error)} Export it again.'
            ) from error
        _expect_interface(path, model, self.card)
        self.streams = streams
        self._is_open = True
        self._requests: SimpleQueue[Any] = SimpleQueue()
        try:
            compiled = core.compile_model(model, 'CPU', options)
            for _ in range(streams):
                self._requests.put(compiled.create_infer_request())
        except RuntimeError as error:
            raise EngineError(
                f'{path}: OpenVINO cannot compile it: {_one_line(error)} Try backend torch.'
            ) from error

    def run(
        self,
        rgb: NDArray[np.uint8],
        depth: NDArray[np.float32],
        present: NDArray[np.float32],
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return labels and confidence; see `Engine.run`."""
        expect_inputs(self.card, rgb, depth, present)
        if not self._is_open:
            raise EngineError('engine: it is closed. Open it again.')
        request = self._requests.get()
        try:
            results = request.infer(
                {'rgb': rgb, 'depth': depth, 'present': present}, share_inputs=True
            )
        except RuntimeError as error:
            raise EngineError(f'engine: OpenVINO failed to run: {_one_line(error)}') from error
        finally:
            self._requests.put(request)
        return results['labels'], results['confidence']

    def close(self) -> None:
        """Free the compiled network."""
        self._is_open = False
        self._requests = SimpleQueue()


def _native_precision(core: ov.Core) -> str:
    """Return bf16 if this CPU multiplies it natively, else float32 (emulated bf16 is slower)."""
    return 'bf16' if 'BF16' in core.get_property('CPU', 'OPTIMIZATION_CAPABILITIES') else 'float32'


def _expect_interface(path: Path, model: ov.Model, card: ModelCard) -> None:
    """Check that inputs and outputs are those of the deployment graph at the card's size."""
    height, width = card.image_size
    expected = {
        'rgb': ([1, height, width, 3], 'u8'),
        'depth': ([1, height, width], 'f32'),
        'present': ([1, 2], 'f32'),
        'labels': ([1, height, width], 'u8'),
        'confidence': ([1, height, width], 'u8'),
    }
    found = {
        port.get_any_name(): (
            [n.get_length() if n.is_static else -1 for n in port.get_partial_shape()],
            port.get_element_type().get_type_name(),
        )
        for port in (*model.inputs, *model.outputs)
    }
    for name, (shape, kind) in expected.items():
        if found.get(name) != (shape, kind):
            raise ModelError(
                f'{path}: {name}: expected {shape} {kind}, got {found.get(name, "nothing")}. '
                'Make the file with m3l export.'
            )


def _one_line(error: Exception) -> str:
    """Return the last line of an OpenVINO error, which says what; those before say where."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f'{lines[-1].rstrip(".")}.' if lines else f'{type(error).__name__}.'
