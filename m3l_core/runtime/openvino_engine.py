"""OpenVINO on the CPU: the default where there is no GPU."""

from __future__ import annotations

from contextlib import suppress
from queue import SimpleQueue
from time import perf_counter
from typing import Any, NamedTuple, TYPE_CHECKING

import numpy as np
import openvino as ov

from m3l_core.errors import EngineError, ModelError
from m3l_core.runtime.engine import expect_inputs
from m3l_core.runtime.onnx_card import read_onnx_card
from m3l_core.runtime.openvino_cache import lent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from m3l_core.model_card import ModelCard

_OPENVINO_NAMES = {'float32': 'f32', 'bf16': 'bf16'}

_WARM_UP_RUNS = 3

_LEAST_PRODUCTS, _PRODUCTS_S = 3, 0.5


class LayerTime(NamedTuple):
    """What one layer of a compiled network takes.

    Attributes:
        name: Of the layer, after the operator of the ONNX graph it was made from.
        kind: Its operator, such as FullyConnected; Subgraph is several in one.
        kernel: The implementation that OpenVINO chose.
        milliseconds: Mean of the runs after the warm-up.
    """

    name: str
    kind: str
    kernel: str
    milliseconds: float


class OpenVinoEngine:
    """An exported network on the CPU.

    Args:
        path: An ONNX file that `m3l export` wrote.
        precision: 'float32', 'bf16', or 'auto' for bf16 where the CPU multiplies it natively.
        threads: CPU threads to use; 0 for all.
        cache_dir: Where compiled networks are kept; None keeps none. OpenVINO names them after
            the file, its time, the options and its own version, and compiles again what is cut
            off or was made from another file.
        streams: Frames that may be labeled side by side, each by its share of the threads.
        warn: Told if nothing can be kept in `cache_dir`.

    Attributes:
        is_from_cache: Whether it was compiled before.

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
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.card = read_onnx_card(path)
        core = ov.Core()
        self.precision = _native_precision(core) if precision == 'auto' else precision
        options = {**_options(self.precision, threads), 'NUM_STREAMS': str(streams)}
        with lent(cache_dir, warn) as folder:
            compiled = _compiled(core, path, options, folder)
        _expect_interface(path, compiled, self.card)
        self.is_from_cache = bool(compiled.get_property('LOADED_FROM_CACHE'))
        self.streams = streams
        self._is_open = True
        self._requests: SimpleQueue[Any] = SimpleQueue()
        try:
            for _ in range(streams):
                self._requests.put(compiled.create_infer_request())
        except RuntimeError as error:
            raise EngineError(
                f'{path}: OpenVINO cannot run it: {_one_line(error)} Try backend torch.'
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


def layer_times(
    path: Path,
    inputs: tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]],
    *,
    precision: str,
    threads: int = 0,
    runs: int = 10,
) -> list[LayerTime]:
    """Return what each layer of an exported network takes, the longest first.

    What OpenVINO reports is a mean over all runs there were, so the slow first ones would
    distort it; they are subtracted.

    Raises:
        ModelError: If the file is damaged or does not hold such a network.
        EngineError: If OpenVINO cannot compile it.
    """
    options = {**_options(precision, threads), 'NUM_STREAMS': '1', 'PERF_COUNT': True}
    request = _compiled(ov.Core(), path, options, None).create_infer_request()
    for _ in range(_WARM_UP_RUNS):
        request.infer(list(inputs))
    warm_up = _total_times(request, _WARM_UP_RUNS)
    for _ in range(runs):
        request.infer(list(inputs))
    total = _total_times(request, _WARM_UP_RUNS + runs)
    times = [
        LayerTime(*layer, milliseconds=1e3 * (seconds - warm_up[layer]) / runs)
        for layer, seconds in total.items()
    ]
    return sorted(times, key=lambda time: -time.milliseconds)


def _total_times(request: Any, runs: int) -> dict[tuple[str, str, str], float]:  # noqa: ANN401
    """Return the seconds of all `runs` so far by name, kind and kernel of the layer."""
    return {
        (i.node_name, i.node_type, i.exec_type): runs * i.real_time.total_seconds()
        for i in request.get_profiling_info()
    }


def product_rate(
    precision: str,
    threads: int = 0,
    *,
    size: int = 1536,
    clock: Callable[[], float] = perf_counter,
) -> float:
    """Return the operations a second of a large matrix product: what this CPU can do.

    Args:
        precision: What it computes in.
        threads: CPU threads to use; 0 for all.
        size: Rows and columns.
        clock: Gives seconds; the CPU's own clock leaves out what other programs take of it.

    Raises:
        EngineError: If OpenVINO cannot run it.
    """
    operators = ov.opset13
    left = operators.parameter([size, size], np.float32)
    right = operators.constant(np.full((size, size), 0.5, np.float32))
    model = ov.Model([operators.matmul(left, right, False, False)], [left])
    try:
        compiled = ov.Core().compile_model(model, 'CPU', _options(precision, threads))
        request = compiled.create_infer_request()
        given = {0: np.full((size, size), 0.5, np.float32)}
        seconds: list[float] = []
        while len(seconds) < _LEAST_PRODUCTS or sum(seconds) < _PRODUCTS_S:
            start = clock()
            request.infer(given, share_inputs=True)
            seconds.append(clock() - start)
    except RuntimeError as error:
        raise EngineError(f'OpenVINO cannot multiply matrices: {_one_line(error)}') from error
    return 2 * size**3 / min(seconds)


def _options(precision: str, threads: int) -> dict[str, Any]:
    options: dict[str, Any] = {
        'PERFORMANCE_HINT': 'LATENCY',
        'INFERENCE_PRECISION_HINT': _OPENVINO_NAMES[precision],
    }
    return {**options, 'INFERENCE_NUM_THREADS': threads} if threads else options


def _compiled(
    core: ov.Core, path: Path, options: dict[str, Any], cache_dir: Path | None
) -> ov.CompiledModel:
    """Return the network, from the cache if it is there: then the ONNX file is not even read."""
    if cache_dir is not None:
        with suppress(RuntimeError):  # what is wrong with the file is told below
            # Not mapped into memory: who replaces the file would pull it from under the engine.
            core.set_property({'CACHE_DIR': str(cache_dir), 'ENABLE_MMAP': False})
            return core.compile_model(str(path), 'CPU', options)
    try:
        model = core.read_model(str(path))
    except RuntimeError as error:
        raise ModelError(
            f'{path}: OpenVINO cannot read it: {_one_line(error)} Export it again.'
        ) from error
    try:
        return core.compile_model(model, 'CPU', options)
    except RuntimeError as error:
        raise EngineError(
            f'{path}: OpenVINO cannot compile it: {_one_line(error)} Try backend torch.'
        ) from error


def _native_precision(core: ov.Core) -> str:
    """Return bf16 if this CPU multiplies it natively, else float32 (emulated bf16 is slower)."""
    return 'bf16' if 'BF16' in core.get_property('CPU', 'OPTIMIZATION_CAPABILITIES') else 'float32'


def _expect_interface(path: Path, model: ov.CompiledModel, card: ModelCard) -> None:
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
