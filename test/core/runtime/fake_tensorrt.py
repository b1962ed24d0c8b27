"""A module in the place of `tensorrt`; see `fake_gpu`."""

from __future__ import annotations

from enum import IntEnum
from types import ModuleType, SimpleNamespace
from typing import Any, TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fake_gpu import FakeGpu


def fake_tensorrt(gpu: FakeGpu) -> Any:
    """Return the stand-in of tensorrt."""
    trt: Any = ModuleType('tensorrt')

    class Severity(IntEnum):
        INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)

    class ILogger:
        pass

    class IProgressMonitor:
        pass

    class Context:
        def __init__(self, log: Any) -> None:
            self.log = log
            self.addresses: dict[str, int] = {}

        def set_tensor_address(self, name: str, address: int) -> bool:
            assert address % 256 == 0
            assert address in gpu.memory
            self.addresses[name] = address
            return gpu.takes('set_tensor_address', self.log)

        def execute_async_v3(self, stream: int) -> bool:
            assert stream == 77
            gpu.note('enqueue')
            if gpu.takes('execute_async_v3', self.log):
                gpu.compute(self.addresses)
                return True
            return False

        def __del__(self) -> None:
            gpu.events.append('free context')

    class Engine:
        def __init__(self, log: Any) -> None:
            self.log = log
            self.num_io_tensors = len(gpu.tensors)

        def get_tensor_name(self, index: int) -> str:
            return list(gpu.tensors)[index]

        def get_tensor_shape(self, name: str) -> tuple[int, ...]:
            return gpu.tensors[name][0]

        def get_tensor_dtype(self, name: str) -> str:
            return gpu.tensors[name][1]

        def get_tensor_mode(self, name: str) -> int:
            return gpu.tensors[name][2]

        def create_execution_context(self) -> Context | None:
            works = gpu.takes('create_execution_context', self.log)
            return Context(self.log) if works else None

        def __del__(self) -> None:
            gpu.events.append('free engine')

    class Runtime:
        def __init__(self, log: Any) -> None:
            if not gpu.takes('Runtime', log):
                raise TypeError('pybind11::init(): factory function returned nullptr')
            gpu.note('runtime')
            self.log = log

        def deserialize_cuda_engine(self, plan: bytes) -> Engine | None:
            assert plan
            return Engine(self.log) if gpu.takes('deserialize_cuda_engine', self.log) else None

        def __del__(self) -> None:
            gpu.events.append('free runtime')

    _add_building(gpu, trt)
    ILogger.Severity = Severity  # type: ignore[attr-defined]
    trt.__version__ = '10.3.0'
    trt.ILogger, trt.IProgressMonitor, trt.Runtime = ILogger, IProgressMonitor, Runtime
    trt.TensorIOMode = SimpleNamespace(INPUT=1, OUTPUT=2)
    trt.nptype = lambda dtype: np.dtype(dtype).type
    return trt


def _add_building(gpu: FakeGpu, trt: Any) -> None:
    """Add what building needs."""

    class ParserError:
        def desc(self) -> str:
            return 'No importer registered\nfor op: Magic.'

        def node_name(self) -> str:
            return 'node_7'

        def node_operator(self) -> str:
            return 'Magic'

    class OnnxParser:
        def __init__(self, network: str, log: Any) -> None:
            assert network == 'network'
            if not gpu.takes('OnnxParser', log):
                raise TypeError('pybind11::init(): factory function returned nullptr')
            self.num_errors = 1 if 'parse' in gpu.fails else 0
            self.log = log

        def parse(self, graph: bytes) -> bool:
            assert graph
            return gpu.takes('parse', self.log)

        def get_error(self, index: int) -> ParserError:
            assert index == 0
            return ParserError()

    class Config:
        progress_monitor: Any = None

        def __init__(self, log: Any) -> None:
            self.log = log
            self.cleared: list[str] = []
            self.limit = 0
            self.offered: list[bytes] = []
            self.cache = b''
            gpu.config = self

        def set_memory_pool_limit(self, pool: str, size: int) -> None:
            assert pool == 'WORKSPACE'
            if gpu.takes('set_memory_pool_limit', self.log):
                self.limit = size

        def clear_flag(self, flag: str) -> None:
            self.cleared.append(flag)

        def create_timing_cache(self, data: bytes) -> Any:
            self.offered.append(data)
            serialize = lambda: data + b'+' if gpu.takes('serialize') else None  # noqa: E731
            return SimpleNamespace(data=data, serialize=serialize)

        def set_timing_cache(self, cache: Any, ignore_mismatch: bool) -> bool:
            assert not ignore_mismatch
            if cache.data and not gpu.takes('set_timing_cache'):
                return False
            self.cache = cache
            return True

        def get_timing_cache(self) -> Any:
            return self.cache

    class Builder:
        def __init__(self, log: Any) -> None:
            if not gpu.takes('Builder', log):
                raise TypeError('pybind11::init(): factory function returned nullptr')
            gpu.note('builder')
            self.log = log

        def create_network(self, flags: int) -> str | None:
            assert flags == 1 << 1
            return 'network' if gpu.takes('create_network', self.log) else None

        def create_builder_config(self) -> Config | None:
            return Config(self.log) if gpu.takes('create_builder_config', self.log) else None

        def build_serialized_network(self, network: str, config: Config) -> bytes | None:
            assert network == 'network'
            monitor = config.progress_monitor
            monitor.phase_start('Building', None, 2)
            for step in range(2):
                if monitor.step_complete('Building', step) is not True:
                    return None
            monitor.phase_finish('Building')
            return b'plan' if gpu.takes('build_serialized_network', self.log) else None

    trt.Builder, trt.OnnxParser = Builder, OnnxParser
    trt.NetworkDefinitionCreationFlag = SimpleNamespace(STRONGLY_TYPED=1)
    trt.MemoryPoolType = SimpleNamespace(WORKSPACE='WORKSPACE')
    trt.BuilderFlag = SimpleNamespace(TF32='TF32')
