"""Every call of TensorRT's Python API, 10.3 to 11: build an engine, load it, run it.

Most of these calls fail by returning None or False and say why only to the logger, so each is
checked here and its failure raised with what the logger was told. No precision flag is set and no
enumeration is given as a number: 11 has neither. Whoever calls has the GPU's context current.
"""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import RLock
from typing import Any, TYPE_CHECKING

import numpy as np
import tensorrt as trt

from m3l_core.errors import EngineError
from m3l_core.runtime.tensorrt_toolkit import Plan, StaleEngineError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from m3l_core.runtime.tensorrt_key import BuildSettings
    from m3l_core.runtime.tensorrt_progress import Watcher

OLDEST = (10, 3)
"""Of JetPack 6.1; before it there are no strongly typed networks as these graphs need them."""

_MESSAGES_KEPT = 20
_MESSAGES_TOLD = 3
_LONGEST = 300
"""Characters told of one message; some hold whole lists of kernels."""


def version() -> str:
    """Return TensorRT's version.

    Raises:
        EngineError: If it is too old.
    """
    found = str(trt.__version__)
    if tuple(int(part) for part in found.split('.')[:2]) < OLDEST:
        raise EngineError(
            f'TensorRT: expected {OLDEST[0]}.{OLDEST[1]} or newer, got {found}. '
            'On a Jetson it comes with JetPack 6.1 or newer.'
        )
    return found


version()  # before the classes below: an older TensorRT lacks what they are made from


class _Log(trt.ILogger):  # type: ignore[misc]  # TensorRT has no types where it is not installed
    """Keeps the last problems TensorRT told of, from whichever of its threads."""

    def __init__(self) -> None:
        trt.ILogger.__init__(self)  # else making a builder or runtime is a TypeError
        self._lock = RLock()  # what is freed meanwhile, in the same thread, may log as well
        self._errors: deque[str] = deque(maxlen=_MESSAGES_KEPT)
        self._warnings: deque[str] = deque(maxlen=_MESSAGES_KEPT)
        self.error_count = 0

    def log(self, severity: trt.ILogger.Severity, msg: str) -> None:
        """Take a message; must not raise, which TensorRT would only print."""
        level = int(severity)
        if level > int(trt.ILogger.Severity.WARNING):
            return
        is_error = level <= int(trt.ILogger.Severity.ERROR)
        text = ' '.join(str(msg).split())[:_LONGEST]
        with self._lock:
            (self._errors if is_error else self._warnings).append(text)
            self.error_count += is_error

    @property
    def warnings(self) -> list[str]:
        """What TensorRT remarked, without repetitions."""
        with self._lock:
            return list(dict.fromkeys(self._warnings))

    def reason(self) -> str:
        """Return the last errors, or warnings where there are none, in one line."""
        with self._lock:
            told = self._errors or self._warnings
            last = list(dict.fromkeys(told))[-_MESSAGES_TOLD:]
        return '; '.join(last).rstrip('.') or 'it gives no reason'

    def failure(self, what: str, remedy: str = '') -> EngineError:
        """Return the error to raise because TensorRT could not do `what`."""
        text = f'TensorRT {trt.__version__} cannot {what}: {self.reason()}. {remedy}'
        return EngineError(text.rstrip())

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Tell of what cannot be made, which is a TypeError to pybind."""
        try:
            yield
        except TypeError as error:
            raise self.failure('start', 'Is there a GPU, and does its driver work?') from error


class _Monitor(trt.IProgressMonitor):  # type: ignore[misc]  # likewise
    """Hands TensorRT's progress on; an exception, or a step that returns None, would cancel."""

    def __init__(self, watcher: Watcher) -> None:
        trt.IProgressMonitor.__init__(self)
        self._watcher = watcher

    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
        with suppress(Exception):
            self._watcher.phase_start(phase_name, parent_phase, num_steps)

    def step_complete(self, phase_name: str, step: int) -> bool:
        with suppress(Exception):  # a bar drawn badly must not end a build of many minutes
            self._watcher.step_complete(phase_name, step)
        return not self._watcher.is_canceled

    def phase_finish(self, phase_name: str) -> None:
        with suppress(Exception):
            self._watcher.phase_finish(phase_name)


def build_plan(
    graph: bytes, settings: BuildSettings, timing_cache: bytes, watcher: Watcher
) -> Plan:
    """Build the engine of an ONNX graph whose casts say which precision is used where.

    Args:
        graph: The ONNX file.
        settings: How to build.
        timing_cache: What an earlier build on this machine gave, or b''.
        watcher: Told how far it is.

    Raises:
        EngineError: If TensorRT cannot, or the watcher had it canceled; with what it logged.
    """
    log = _Log()
    with log.starting():
        builder = trt.Builder(log)
    # Needed on 10, ignored on 11, and another number on each.
    flags = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(flags)
    if network is None:
        raise log.failure('make a network')
    with log.starting():
        parser = trt.OnnxParser(network, log)  # kept until the end: it may own the weights
    _parse(parser, graph, log)
    config = builder.create_builder_config()
    if config is None:
        raise log.failure('make a configuration')
    _configure(config, settings, log)
    has_cache = _set_timing_cache(config, timing_cache)
    config.progress_monitor = _Monitor(watcher)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        if watcher.is_canceled:
            raise EngineError('TensorRT: the build was canceled.')
        remedy = 'If memory was short, close other programs or give a smaller --workspace-mib.'
        raise log.failure('build the engine', remedy)
    times = _measured_times(config) if has_cache else b''
    return Plan(bytes(plan), times, log.warnings)


def _parse(parser: trt.OnnxParser, graph: bytes, log: _Log) -> None:
    if parser.parse(graph):
        return
    told = []
    for index in range(parser.num_errors):
        error = parser.get_error(index)  # points into the parser: its text is copied at once
        told.append(f'{error.node_operator()} {error.node_name()}: {error.desc()}')
    reason = ' '.join('; '.join(told[:_MESSAGES_TOLD]).split()) or log.reason()
    raise EngineError(
        f'TensorRT {trt.__version__} cannot read the graph: {reason.rstrip(".")}. '
        'Export the model again with this version.'
    )


def _configure(config: trt.IBuilderConfig, settings: BuildSettings, log: _Log) -> None:
    known = log.error_count
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, settings.workspace_mib << 20)
    if log.error_count > known:  # a limit that is refused changes nothing and raises nothing
        raise log.failure(f'use {settings.workspace_mib} MiB of workspace')
    config.builder_optimization_level = settings.optimization_level
    config.max_aux_streams = 0  # one stream: nothing else to wait for
    if settings.precision == 'float32':
        config.clear_flag(trt.BuilderFlag.TF32)  # on by default; it has 10 bits of mantissa


def _set_timing_cache(config: trt.IBuilderConfig, data: bytes) -> bool:
    """Use the times of an earlier build, or none if they are not taken; whether times are kept."""
    for offered in dict.fromkeys((data, b'')):
        cache = config.create_timing_cache(offered)
        if cache is not None and config.set_timing_cache(cache, ignore_mismatch=False):
            return True
    return False


def _measured_times(config: trt.IBuilderConfig) -> bytes:
    """Return the timing cache after a build; b'' if there is none, as it only saves time."""
    cache = config.get_timing_cache()
    if cache is None:
        return b''
    data = cache.serialize()
    return b'' if data is None else bytes(data)


@dataclass(frozen=True)
class Tensor:
    """One input or output of an engine."""

    shape: tuple[int, ...]
    dtype: str
    is_input: bool


class LoadedPlan:
    """An engine in GPU memory, ready to run on arrays whose addresses it was told.

    Args:
        plan: What `build_plan` made, with this version of TensorRT on such a GPU.

    Attributes:
        tensors: What it takes and gives, by name.

    Raises:
        StaleEngineError: If TensorRT refuses the plan.
        EngineError: If GPU memory is short.
    """

    def __init__(self, plan: bytes) -> None:
        self._log = _Log()
        self.tensors: dict[str, Tensor] = {}
        self._engine: Any = None
        self._context: Any = None
        with self._log.starting():
            self._runtime = trt.Runtime(self._log)
        try:
            self._load(plan)
        except BaseException:  # here, while the GPU's context is current
            self.close()
            raise

    def _load(self, plan: bytes) -> None:
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise StaleEngineError(str(self._log.failure('load the engine')))
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise self._log.failure('make the engine ready', 'Is GPU memory short?')
        self.tensors = _tensors(self._engine)

    def bind(self, name: str, address: int) -> None:
        """Tell where an input is read or an output written, from now on.

        Raises:
            EngineError: If TensorRT does not take it.
        """
        if not self._context.set_tensor_address(name, address):
            raise self._log.failure(f'use the buffer of {name}')

    def enqueue(self, stream: int) -> None:
        """Have the engine run once on a stream; returns before it has.

        Raises:
            EngineError: If TensorRT does not start it.
        """
        if not self._context.execute_async_v3(stream):
            raise self._log.failure('run the engine')

    def close(self) -> None:
        """Free the engine; what runs on the stream must have ended."""
        # One after the other: each needs the next until it is gone.
        self._context = None
        self._engine = None
        self._runtime = None


def _tensors(engine: trt.ICudaEngine) -> dict[str, Tensor]:
    tensors = {}
    for index in range(engine.num_io_tensors):
        name = engine.get_tensor_name(index)
        tensors[name] = Tensor(
            tuple(engine.get_tensor_shape(name)),
            np.dtype(trt.nptype(engine.get_tensor_dtype(name))).name,
            engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT,
        )
    return tensors
