"""Cameras that fail at random, and what that does to the node that listens to them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from m3l_perception.demo.stage import CAMERAS

if TYPE_CHECKING:
    from random import Random

    from m3l_perception.demo.stage import Stage

_PAGE_MB = 4096 / 2**20

_FAULTS = ('kill', 'freeze', 'restart')
_VICTIMS = (('rgb',), ('depth',), CAMERAS)


@dataclass(frozen=True)
class Vitals:
    """What a process holds at one moment."""

    resident_mb: float
    threads: int
    descriptors: int

    @classmethod
    def of(cls, pid: int) -> Vitals:
        """Return what a process holds now."""
        process = Path(f'/proc/{pid}')
        pages = int((process / 'statm').read_text().split()[1])
        threads = len(list((process / 'task').iterdir()))
        return cls(pages * _PAGE_MB, threads, len(list((process / 'fd').iterdir())))


def deal_faults(count: int, chance: Random) -> list[tuple[str, tuple[str, ...]]]:
    """Return what happens to which cameras, each combination as often as any other."""
    every = [(fault, victims) for fault in _FAULTS for victims in _VICTIMS]
    dealt: list[tuple[str, tuple[str, ...]]] = []
    while len(dealt) < count:
        dealt += chance.sample(every, len(every))
    return dealt[:count]


def suffer(stage: Stage, fault: str, victims: tuple[str, ...], *, seconds: float) -> None:
    """Let cameras fail and return; each takes `seconds`, and until the mode has followed.

    Args:
        stage: Where the cameras are.
        fault: `kill`, `freeze` (they hang, then go on), or `restart` (they are back at once).
        victims: Which cameras.
        seconds: Least time between two changes.
    """
    title = ' and '.join(victims)
    if fault == 'restart':
        stage.restart(*victims)
    else:
        (stage.kill if fault == 'kill' else stage.freeze)(*victims)
        stage.act(f'{title} after {fault}', seconds)
        stage.bring_back(*victims)
    stage.act(f'{title} back', seconds)
