"""Which images show the same place, told by their names."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
import re
from statistics import median_low
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_PAUSE = 10
"""A gap of more than so many usual ones between stamps separates two scenes."""


def scenes_by_name(names: Sequence[str]) -> tuple[str, ...]:
    """Return the scene of each image: the name of the first image of its run.

    Names that end in a number and begin alike belong to one run as long as the numbers count up
    by one; where they usually do not, as stamps in nanoseconds, a run ends at a gap of more than
    ten usual ones. In NYUv2 such a run is about a scene. Other names are a scene each.
    """
    numbered: dict[str, list[tuple[int, str]]] = defaultdict(list)
    scenes = {}
    for name in names:
        match = re.fullmatch(r'(.*?)(\d+)', name, re.DOTALL)
        if match is None:
            scenes[name] = name
        else:
            numbered[match[1]].append((int(match[2]), name))
    for series in numbered.values():
        scenes.update(_runs(sorted(series)))
    return tuple(scenes[name] for name in names)


def images_of_scenes(images: int, scenes: int) -> str:
    """Return so many images and scenes in words, such as '1 image of 1 scene'."""
    return f'{_counted(images, "image")} of {_counted(scenes, "scene")}'


def _counted(number: int, what: str) -> str:
    return f'{number} {what}' if number == 1 else f'{number} {what}s'


def _runs(series: Sequence[tuple[int, str]]) -> dict[str, str]:
    """Return the first name of the run of each name; `series` is sorted by number."""
    gaps = [after - before for (before, _), (after, _) in pairwise(series)]
    usual = median_low(gaps) if gaps else 1
    longest = 1 if usual <= 1 else _PAUSE * usual
    scene = series[0][1]
    scenes = {scene: scene}
    for gap, (_, name) in zip(gaps, series[1:], strict=True):
        if gap > longest:
            scene = name
        scenes[name] = scene
    return scenes
