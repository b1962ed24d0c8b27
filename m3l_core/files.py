"""Files that are either whole or not there, and whether they are those of before."""

from __future__ import annotations

import os
from threading import get_ident
from typing import Any, TYPE_CHECKING

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
    partial = path.with_name(f'.{path.name}.{os.getpid()}.{get_ident()}.partial')
    try:
        with partial.open('wb') as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def identity_of(path: Path) -> list[Any]:
    """Return what changes when a file, or a file right in a folder, is replaced or written to.

    It is the path, and names, sizes and times of the files that are there; good for JSON.
    """
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    stats = [(file.name, file.stat()) for file in files if file.is_file()]
    return [str(path.resolve()), *([name, s.st_size, s.st_mtime_ns] for name, s in stats)]
