"""Which state of this code is running."""

from __future__ import annotations

from pathlib import Path
import subprocess

from m3l_core import __version__

_PACKAGE = Path(__file__).parents[1]


def code_state() -> str:
    """Return the version, and in a git checkout the commit and whether files differ from it."""
    if not (_PACKAGE.parent / '.git').exists():  # installed: a repository around it is not ours
        return __version__
    commit = _git('rev-parse', '--short=12', 'HEAD')
    if not commit:
        return __version__
    changed = _git('status', '--porcelain', '--', _PACKAGE.name)
    return f'{__version__} {commit}{" with changes" if changed else ""}'


def _git(*arguments: str) -> str:
    """Return what git says, empty where there is none or it refuses."""
    try:
        done = subprocess.run(
            ['git', '-C', str(_PACKAGE.parent), *arguments],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return ''
    return done.stdout.strip()
