"""Modules in the place of `tensorrt` and `pycuda` that note what is called, in which order.

They are as strict as the real ones are told to be about contexts and addresses, and compute
something from what was uploaded. They prove our order of calls and our bookkeeping; that the real
libraries take these calls, they cannot prove.
"""

from __future__ import annotations

from enum import IntEnum
from threading import current_thread, local
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

SHAPE = (64, 96)

TENSORS = {
    'rgb': ((1, *SHAPE, 3), 'uint8', 1),
    'depth': ((1, *SHAPE), 'float32', 1),
    'present': ((1, 2), 'float32', 1),
    'labels': ((1, *SHAPE), 'uint8', 2),
    'confidence': ((1, *SHAPE), 'uint8', 2),
}
"""Shape, type and mode (1 in, 2 out)."""


class FakeGpu:
    """What both modules share.

    Attributes:
        events: What was called, in order.
        fails: Names of calls that fail, each in the way the real one does.
        memory: Live GPU memory by address.
        says: What TensorRT tells its logger when one of `fails` fails.
    """

    def __init__(self) -> None:
        self.events: list[str] = []
        self.fails: set[str] = set()
        self.memory: dict[int, bytearray] = {}
        self.live_host = 0
        self.tensors = dict(TENSORS)
        self.says = [(1, 'out of cheese'), (3, 'chatter'), (2, 'a remark')]
        self.contexts = local()
        self.depths: dict[str, int] = {}
        self.retained = 0
        self.config: Any = None
        self.cuda = _cuda(self)
        self.trt = _tensorrt(self)

    def note(self, event: str) -> None:
        """Take down a call that needs a context, and fail if there is none."""
        if not self.stack:
            raise self.cuda.LogicError(f'{event}: no currently active context?')
        self.events.append(event)

    @property
    def stack(self) -> list[str]:
        """The contexts that are current in this thread."""
        if not hasattr(self.contexts, 'stack'):
            self.contexts.stack = []
        stack: list[str] = self.contexts.stack
        return stack

    def compute(self, addresses: dict[str, int]) -> None:
        """Compute labels from color and confidence from depth, as the missing ones allow."""
        arrays = {
            name: np.frombuffer(self.memory[addresses[name]], dtype).reshape(shape)
            for name, (shape, dtype, _) in self.tensors.items()
        }
        has_rgb, has_depth = arrays['present'][0]
        arrays['labels'][:] = arrays['rgb'][..., 0] % 13 * int(has_rgb)
        arrays['confidence'][:] = (arrays['depth'] * 10 * has_depth).astype(np.uint8)

    def takes(self, call: str, log: Any = None) -> bool:
        """Return whether a call works; if not, the logger has been told why."""
        if call not in self.fails:
            return True
        for severity, text in self.says if log is not None else ():
            log.log(self.trt.ILogger.Severity(severity), text)
        return False


def _cuda(gpu: FakeGpu) -> Any:
    """Return the stand-in of pycuda.driver."""
    cuda: Any = ModuleType('pycuda.driver')

    class Error(Exception):
        pass

    class LogicError(Error):
        pass

    def guarded(event: str) -> None:
        gpu.note(event)
        if event in gpu.fails:
            raise LogicError(f'{event} failed: an illegal memory access\nwas encountered')

    class Context:
        def push(self) -> None:
            gpu.stack.append('primary')
            gpu.events.append('push')
            gpu.depths[current_thread().name] = len(gpu.stack)

        @staticmethod
        def pop() -> None:
            gpu.stack.pop()
            gpu.events.append('pop')
            gpu.depths[current_thread().name] = len(gpu.stack)

    class Device:
        def __init__(self, number: int) -> None:
            assert number == 0

        def retain_primary_context(self) -> Context:
            gpu.retained += 1
            return Context()

        def name(self) -> str:
            return 'Orin'

        def compute_capability(self) -> tuple[int, int]:
            return (8, 7)

        def total_memory(self) -> int:
            return 61 * 2**30 + 7 * 2**27

        def get_attribute(self, attribute: str) -> int:
            return {'MULTIPROCESSOR_COUNT': 16, 'INTEGRATED': 1}[attribute]

    class Stream:
        handle = 77

        def __init__(self) -> None:
            gpu.note('stream')

        def synchronize(self) -> None:
            guarded('synchronize')

        def __del__(self) -> None:
            gpu.events.append('free stream')

    class Allocation:
        def __init__(self, size: int) -> None:
            self.address = 256 * (1 + len(gpu.memory)) + 2**20
            gpu.memory[self.address] = bytearray(size)

        def __int__(self) -> int:
            return self.address

        def free(self) -> None:
            gpu.note('free device')
            del gpu.memory[self.address]

    class Host(bytearray):
        def free(self) -> None:
            gpu.note('free host')
            gpu.live_host -= 1

    def pagelocked_empty(shape: tuple[int, ...], dtype: Any) -> Any:
        guarded('pagelocked')
        gpu.live_host += 1
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        return np.ndarray(shape, dtype, buffer=Host(size))

    def mem_alloc(size: int) -> Allocation:
        if len(gpu.memory) == 3 and 'mem_alloc' in gpu.fails:
            raise LogicError('cuMemAlloc failed: out of memory')
        gpu.note('mem_alloc')
        return Allocation(size)

    def memcpy_htod_async(dest: Allocation, src: Any, stream: Stream) -> None:
        assert isinstance(src.base, Host)
        assert isinstance(stream, Stream)
        guarded('upload')
        gpu.memory[dest.address][:] = src.tobytes()

    def memcpy_dtoh_async(dest: Any, src: Allocation, stream: Stream) -> None:
        assert isinstance(dest.base, Host)
        assert isinstance(stream, Stream)
        guarded('download')
        dest[:] = np.frombuffer(gpu.memory[src.address], dest.dtype).reshape(dest.shape)

    def init() -> None:
        if 'init' in gpu.fails:
            raise Error('cuInit failed: no CUDA-capable device is detected')

    cuda.Error, cuda.LogicError, cuda.Context, cuda.Device = Error, LogicError, Context, Device
    cuda.Stream, cuda.init, cuda.mem_alloc = Stream, init, mem_alloc
    cuda.pagelocked_empty = pagelocked_empty
    cuda.memcpy_htod_async, cuda.memcpy_dtoh_async = memcpy_htod_async, memcpy_dtoh_async
    cuda.get_driver_version = lambda: 12060
    cuda.device_attribute = SimpleNamespace(
        MULTIPROCESSOR_COUNT='MULTIPROCESSOR_COUNT', INTEGRATED='INTEGRATED'
    )
    return cuda


def _tensorrt(gpu: FakeGpu) -> Any:
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
