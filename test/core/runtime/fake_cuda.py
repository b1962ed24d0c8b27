"""A module in the place of `pycuda.driver`; see `fake_gpu`."""

from __future__ import annotations

from threading import current_thread
from types import ModuleType, SimpleNamespace
from typing import Any, TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fake_gpu import FakeGpu


def fake_cuda(gpu: FakeGpu) -> Any:
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
