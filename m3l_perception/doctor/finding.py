"""One thing the doctor says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Level(Enum):
    """How much a finding matters."""

    OK = 'ok'
    NOTE = 'note'
    WARN = 'warn'
    STOP = 'STOP'
    """No labels can come until it is mended."""


@dataclass(frozen=True)
class Finding:
    """What was found, where, and what to do about it."""

    level: Level
    where: str
    what: str
    remedy: str = ''
