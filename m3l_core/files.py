"""Files that are either whole or not there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from m3l_core.errors import M3lError

if TYPE_CHECKING:
    from pathlib import Path


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` to a temporary file beside `path`, then rename it into place.

    A process killed at any moment leaves the old file or the new one, never half of one.

    Raises:
        M3lError: If it cannot be written there.
    """
    try:
        _write(path, data)
    except OSError as error:
        raise M3lError(f'{path}: cannot be written: {error.strerror}.') from error


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'.{path.name}.{os.getpid()}.partial')
    try:
        with partial.open('wb') as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
