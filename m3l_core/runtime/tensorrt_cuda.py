"""Every call of pycuda: the GPU's context, its description, and memory on both sides.

The context is the device's primary one, which TensorRT, torch and the CUDA runtime use too. It is
kept for the life of the process and made current around each piece of work, in whichever thread
that is done: pycuda aborts the process when a thread ends with a context still current.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
import ctypes
from dataclasses import dataclass
from threading import RLock
from typing import Any, TYPE_CHECKING

import numpy as np
import pycuda.driver as cuda

from m3l_core.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

_DEVICE = 0
"""The first that CUDA_VISIBLE_DEVICES leaves to see."""

_retaining = RLock()  # an engine that is freed meanwhile, in the same thread, asks too
_retained: list[Any] = []
"""The primary context, once it was asked for; kept for good."""


@dataclass(frozen=True)
class Gpu:
    """What tells one kind of GPU, and what drives it, from another."""

    name: str
    compute_capability: str
    multiprocessors: int
    memory_bytes: int
    is_integrated: bool
    driver: int
    """CUDA version of the driver, such as 12060."""


@contextmanager
def current_context() -> Iterator[None]:
    """Make the primary context current in this thread, and no longer, whatever happens.

    Raises:
        EngineError: If there is no GPU, or CUDA fails meanwhile.
    """
    try:
        context = _primary_context()
        context.push()
        try:
            yield
        finally:
            cuda.Context.pop()
    except cuda.Error as error:
        raise EngineError(f'CUDA: {" ".join(str(error).split()).rstrip(".")}.') from error


def _primary_context() -> Any:  # noqa: ANN401  # pycuda is not typed
    with _retaining:
        if not _retained:
            cuda.init()
            context = cuda.Device(_DEVICE).retain_primary_context()
            # Also when Python ends: pycuda's destructor detaches as one does from contexts that
            # were created, and warns when CUDA refuses that; detach() would leave it current.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(context))
            _retained.append(context)
        return _retained[0]


def describe_gpu() -> Gpu:
    """Return the GPU that is used; the context must be current."""
    device = cuda.Device(_DEVICE)
    attribute = cuda.device_attribute
    major, minor = device.compute_capability()
    return Gpu(
        name=device.name(),
        compute_capability=f'{major}.{minor}',
        multiprocessors=device.get_attribute(attribute.MULTIPROCESSOR_COUNT),
        memory_bytes=device.total_memory(),
        is_integrated=bool(device.get_attribute(attribute.INTEGRATED)),
        driver=cuda.get_driver_version(),
    )


class Buffers:
    """For each array a page-locked copy in host memory and one in GPU memory, and one stream.

    All of it is made, used and freed while the context is current.

    Args:
        arrays: Shape and type of each array by name.
    """

    def __init__(self, arrays: Mapping[str, tuple[tuple[int, ...], str]]) -> None:
        self._host: dict[str, Any] = {}
        self._device: dict[str, Any] = {}
        self._stream: Any = None
        try:
            self._stream = cuda.Stream()
            for name, (shape, dtype) in arrays.items():
                self._host[name] = cuda.pagelocked_empty(shape, np.dtype(dtype))
                self._device[name] = cuda.mem_alloc(self._host[name].nbytes)
        except cuda.Error:  # here, while the context is current; later it would leak
            self.close()
            raise

    @property
    def stream(self) -> int:
        """The stream as other libraries take it."""
        return int(self._stream.handle)

    def address(self, name: str) -> int:
        """Return where an array lies in GPU memory; it never moves."""
        return int(self._device[name])

    def upload(self, name: str, array: NDArray[Any]) -> None:
        """Begin to copy an array to the GPU; later work on the stream sees it."""
        np.copyto(self._host[name], array, casting='no')
        cuda.memcpy_htod_async(self._device[name], self._host[name], self._stream)

    def download(self, name: str) -> None:
        """Begin to copy an array from the GPU, once what is on the stream before has ended."""
        cuda.memcpy_dtoh_async(self._host[name], self._device[name], self._stream)

    def wait(self) -> None:
        """Return when all that was begun has ended; a fault of a kernel is raised here."""
        self._stream.synchronize()

    def result(self, name: str) -> NDArray[Any]:
        """Return a copy of what was downloaded; the next run overwrites the original."""
        copy: NDArray[Any] = self._host[name].copy()
        return copy

    def settle(self) -> None:
        """Wait before what the stream uses is freed; a fault was told by the run that met it."""
        with suppress(cuda.Error):
            self._stream.synchronize()

    def close(self) -> None:
        """Free all memory and the stream, on which nothing may run any more."""
        for allocation in self._device.values():
            allocation.free()
        for array in self._host.values():
            array.base.free()
        self._device, self._host, self._stream = {}, {}, None
