"""Faults of cameras in random order, and what the node's process holds meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
import os
from pathlib import Path
from typing import TYPE_CHECKING

from m3l_perception.demo.rig import CAMERAS

if TYPE_CHECKING:
    from random import Random

    from m3l_perception.demo.rig import Rig

_PAGE_MB = os.sysconf('SC_PAGE_SIZE') / 2**20

_FAULTS = ('kill', 'freeze', 'restart')
_VICTIMS = (('rgb',), ('depth',), CAMERAS)


@dataclass(frozen=True)
class Usage:
    """What a process holds at one moment."""

    resident_mb: float
    threads: int
    descriptors: int

    @classmethod
    def of(cls, pid: int) -> Usage:
        """Return what a process holds now."""
        process = Path(f'/proc/{pid}')
        pages = int((process / 'statm').read_text().split()[1])
        threads = len(list((process / 'task').iterdir()))
        return cls(pages * _PAGE_MB, threads, len(list((process / 'fd').iterdir())))


def plan_faults(count: int, chance: Random) -> list[tuple[str, tuple[str, ...]]]:
    """Return what happens to which cameras, each combination as often as any other."""
    every = [(fault, victims) for fault in _FAULTS for victims in _VICTIMS]
    planned: list[tuple[str, tuple[str, ...]]] = []
    while len(planned) < count:
        planned += chance.sample(every, len(every))
    return planned[:count]


def inject(rig: Rig, fault: str, victims: tuple[str, ...], *, seconds: float) -> None:
    """Let cameras fail and return; each takes `seconds`, and until the mode has followed.

    Args:
        rig: Where the cameras are.
        fault: `kill`, `freeze` (they hang, then go on), or `restart` (they are back at once).
        victims: Which cameras.
        seconds: Least time between two changes.
    """
    title = ' and '.join(victims)
    if fault == 'restart':
        rig.restart(*victims)
    else:
        (rig.kill if fault == 'kill' else rig.freeze)(*victims)
        rig.run(f'{title} after {fault}', seconds)
        rig.bring_back(*victims)
    rig.run(f'{title} back', seconds)
