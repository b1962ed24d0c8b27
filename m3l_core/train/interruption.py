"""Ctrl-C during training: the first asks for a stop that loses nothing, the second ends it."""

from __future__ import annotations

from contextlib import contextmanager
import os
import signal
from typing import TYPE_CHECKING

from m3l_core.train.parallel import world_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_STANDARD_ERROR = 2
_HEARD = b'\nstopping after this step; Ctrl-C again ends at once\n'


@contextmanager
def first_interrupt_asks() -> Iterator[Callable[[], bool]]:
    """Yield what tells whether Ctrl-C was pressed; pressed again it raises KeyboardInterrupt.

    Where it is ignored, as in what a shell runs in the background, it stays so. It ends one of
    several processes as ever: torchrun passes it on again, and kills whoever takes long.
    """
    asked = False

    def ask(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.write(_STANDARD_ERROR, _HEARD)  # print may be what was interrupted

    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler and world_size() == 1:
        signal.signal(signal.SIGINT, ask)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)
