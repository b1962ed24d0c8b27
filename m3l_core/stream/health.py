"""What one image turned out to be, and when images like it count against their stream."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from m3l_core.frames import Modality

_IN_A_ROW = 5
"""Sick images in a row that make the stream sick; fewer are a matter of their frames."""


class Severity(IntEnum):
    """How bad an image is; of two sick ones the one with the lower number is labeled."""

    HEALTHY = 0
    APART = 1
    """It is well, but pairs with nothing."""
    SAYS_NOTHING = 2
    """Nothing is seen in it."""
    MISLEADS = 3
    """It shows what is no longer there."""
    UNREADABLE = 4
    """There are no pixels."""


@dataclass(frozen=True)
class Finding:
    """What one image turned out to be.

    Attributes:
        fault: Empty, or a word such as `rgb_black`, then `: ` and what a person wants to know.
        severity: How bad that is.
    """

    fault: str = ''
    severity: Severity = Severity.HEALTHY

    @classmethod
    def unreadable(cls, modality: Modality, problem: str) -> Finding:
        """Return what an image is that could not be decoded."""
        return cls(f'{modality.name.lower()}_unreadable: {problem}', Severity.UNREADABLE)


class HealthRecord:
    """Turns findings on single images into the health of their stream.

    Five sick images in a row make a stream sick and a healthy one ends that; that the mode does
    not flicker is the business of `ModeKeeper`.
    """

    def __init__(self) -> None:
        self.sick = 0
        """Images found sick so far."""
        self.restart()

    def restart(self) -> None:
        """Forget the findings, but not how many were bad."""
        self.latest = Finding()
        """What the last image was."""
        self.sick_ns: int | None = None
        """When an image was last found sick, or None."""
        self._row = 0

    @property
    def fault(self) -> str | None:
        """Why the stream is sick, or None."""
        return self.latest.fault if self._row >= _IN_A_ROW else None

    def note(self, finding: Finding, now_ns: int) -> None:
        """Take in what the next image turned out to be."""
        self._row = self._row + 1 if finding.fault else 0
        if finding.fault:
            self.sick += 1
            self.sick_ns = now_ns
        self.latest = finding
