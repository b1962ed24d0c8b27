"""Where engines are kept, so that the next start is quick."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from m3l_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

CACHE_VARIABLE = 'M3L_CACHE'


def cache_folder() -> Path:
    """Return $M3L_CACHE, else $XDG_CACHE_HOME/m3l, else ~/.cache/m3l; it may not exist yet.

    Raises:
        ConfigError: If it lies in a home that is not known, as in a container whose user has none.
    """
    given = os.environ.get(CACHE_VARIABLE)
    if given:
        return _expanded(given)
    base = os.environ.get('XDG_CACHE_HOME')
    # The specification has relative values ignored.
    if base and Path(base).is_absolute():
        return Path(base) / 'm3l'
    return _expanded('~/.cache/m3l')


def cache_folder_if_any(warn: Callable[[str], None]) -> Path | None:
    """Return `cache_folder()`, or None after telling why: a start then just takes longer."""
    try:
        return cache_folder()
    except ConfigError as error:
        warn(str(error))
        return None


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ConfigError(
            f'cache: expected a user with a home for {path}, got none. '
            f'Set ${CACHE_VARIABLE} to a folder one can write to.'
        ) from error
