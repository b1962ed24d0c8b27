"""What a person looks at after a replay: a page and a film."""

from __future__ import annotations

from typing import TYPE_CHECKING

from m3l_core.replay.report.film import Film
from m3l_core.replay.report.page import write_report
from m3l_core.replay.report.strips import Strips

if TYPE_CHECKING:
    from pathlib import Path

    from m3l_core.classes import ClassSet
    from m3l_core.replay.observing import Observer

__all__ = ['observers', 'write_report']


def observers(folder: Path, *, classes: ClassSet, video: bool) -> list[Observer]:
    """Return who collects, during one run, what its report will show.

    Args:
        folder: Of the run; pictures and film go into it.
        classes: Names and colors of the labels.
        video: Whether to film.
    """
    watching: list[Observer] = [Strips(folder, classes)]
    if video:
        watching.append(Film(folder, classes))
    return watching
