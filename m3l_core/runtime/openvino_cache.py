"""The folder in which OpenVINO keeps compiled networks, lent to one engine at a time.

OpenVINO locks nothing: an engine that reads a file while another process writes it is killed by
the system (SIGBUS), or reads half a network.
"""

from __future__ import annotations

from contextlib import contextmanager
import fcntl
import os
from typing import TYPE_CHECKING

from m3l_core.runtime.cache_folder import CACHE_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LOCK = 'openvino.lock'


@contextmanager
def lent(folder: Path | None, warn: Callable[[str], None]) -> Iterator[Path | None]:
    """Yield the folder while no other process or thread uses it; waits for one that does.

    Args:
        folder: Made if it is missing; None keeps nothing.
        warn: Told why nothing can be kept there.

    Yields:
        None if nothing can be kept.
    """
    if folder is None:
        yield None
        return
    try:
        descriptor = _locked(folder)
    except OSError as error:
        warn(
            f'{folder}: {error.strerror or error}, so the next start compiles again. '
            f'Make it a folder one can write to, or set ${CACHE_VARIABLE} to another.'
        )
        yield None
        return
    try:
        yield folder
    finally:
        os.close(descriptor)  # which gives the lock back, as does the end of the process


def _locked(folder: Path) -> int:
    """Return the descriptor of the folder's lock, which is now ours."""
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK):  # OpenVINO itself says nothing of it
        raise PermissionError(0, 'no right to write')
    # To read is enough, and allowed where another user made the file.
    descriptor = os.open(folder / LOCK, os.O_RDONLY | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError:  # such as on NFS without its lock service
        os.close(descriptor)
        raise
    return descriptor
