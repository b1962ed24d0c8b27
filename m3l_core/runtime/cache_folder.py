"""Where engines are kept, so that the next start is quick."""

from __future__ import annotations

import os
from pathlib import Path

CACHE_VARIABLE = 'M3L_CACHE'


def cache_folder() -> Path:
    """Return $M3L_CACHE, else $XDG_CACHE_HOME/m3l, else ~/.cache/m3l; it may not exist yet."""
    given = os.environ.get(CACHE_VARIABLE)
    if given:
        return Path(given).expanduser()
    base = os.environ.get('XDG_CACHE_HOME')
    # The specification has relative values ignored.
    if base and Path(base).is_absolute():
        return Path(base) / 'm3l'
    return Path('~/.cache/m3l').expanduser()
