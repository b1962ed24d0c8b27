"""Modules in the place of `tensorrt` and `pycuda` that note what is called, in which order.

They are as strict as the real ones are told to be about contexts and addresses, and compute
something from what was uploaded. They prove our order of calls and our bookkeeping; that the real
libraries take these calls, they cannot prove.
"""

from __future__ import annotations

from importlib import import_module
import sys
from threading import local
from types import ModuleType
from typing import Any

from fake_cuda import fake_cuda
from fake_tensorrt import fake_tensorrt
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
        self.cuda = fake_cuda(self)
        self.trt = fake_tensorrt(self)

    def note(self, event: str) -> None:
        """Take down a call that needs a context, and fail if there is none."""
        if not self.stack:
            raise self.cuda.LogicError(f'{event}: no currently active context?')
        self.events.append(event)

    @property
    def modules(self) -> dict[str, Any]:
        """What is imported in the place of each library."""
        pycuda: Any = ModuleType('pycuda')
        pycuda.driver = self.cuda
        return {'pycuda': pycuda, 'pycuda.driver': self.cuda, 'tensorrt': self.trt}

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


def ours(name: str) -> Any:
    """Return one of our modules, made over the stand-ins."""
    return import_module(f'm3l_core.runtime.{name}')


def forget_ours() -> None:
    """Have our modules made again when they are asked for next."""
    for name in ('tensorrt_api', 'tensorrt_cuda', 'tensorrt_engine'):
        sys.modules.pop(f'm3l_core.runtime.{name}', None)
