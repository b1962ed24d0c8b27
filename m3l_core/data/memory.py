"""How much memory this process may fill."""

from __future__ import annotations

import os
from pathlib import Path


def memory_of_the_process(root: Path = Path('/')) -> int:
    """Return the bytes of memory that are this process's part, in use or not.

    They are those of the machine, or of the control group if it may use fewer, divided by the
    processes that `torchrun` started on this machine.

    Args:
        root: Where `proc` and `sys` are.
    """
    physical = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
    return min([physical, *_limits(root)]) // int(os.environ.get('LOCAL_WORLD_SIZE', '1'))


def _limits(root: Path) -> list[int]:
    """Return the limits of the control groups around this process, of either version."""
    limits = []
    for group in _lines(root / 'proc/self/cgroup'):
        _, controllers, path = group.split(':', 2)
        if not controllers:
            base, name = root / 'sys/fs/cgroup', 'memory.max'
        elif 'memory' in controllers.split(','):
            base, name = root / 'sys/fs/cgroup/memory', 'memory.limit_in_bytes'
        else:
            continue
        # In a container the path may be the host's; its own group is then the base itself.
        inner = base / path.lstrip('/')
        for folder in (inner, *inner.parents):
            if folder.is_relative_to(base):
                limits += [int(line) for line in _lines(folder / name) if line.isdecimal()]
    return limits


def _lines(path: Path) -> list[str]:
    """Return the lines of a file of the system; none if this system has no such file."""
    try:
        return path.read_text(encoding='utf-8').splitlines()
    except OSError:
        return []
