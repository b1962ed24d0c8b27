"""Which streams can be relied on now."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Mode(Enum):
    """What the streams can give now; a state with hysteresis, not a fact of one frame."""

    RGBD = 'RGBD'
    RGB_ONLY = 'RGB_ONLY'
    DEPTH_ONLY = 'DEPTH_ONLY'
    NO_INPUT = 'NO_INPUT'


@dataclass(frozen=True)
class Transition:
    """One change of mode.

    Attributes:
        mode: The mode from now on.
        previous: The mode until now.
        reason: A word such as `depth_late`, then `: ` and what a person wants to know.
        at_ns: When, in steady time.
    """

    mode: Mode
    previous: Mode
    reason: str
    at_ns: int
