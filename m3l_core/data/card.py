"""What a folder of images, labeled or not, says about itself in its `card.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TYPE_CHECKING

import numpy as np
import yaml

from m3l_core.classes import ClassSet, distinct_palette, IGNORE, PUBLISHED, table_between
from m3l_core.config import from_mapping
from m3l_core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from m3l_core.data.tree import Tree

CARD = 'card.yaml'

UNKNOWN = 254
"""In a label table: an id that the card does not explain."""

_PUBLISHED_IDS = ('nyu13', 'nyu40', 'sun37')
"""Sets whose files hold 0 for void and 1 for the first class."""

_NOTES = {
    'm3l rooms': {'made_by', 'seed', 'size', 'frames_per_room', 'frames', 'depth'},
    'm3l extract': {'made_by', 'every', 'distinct', 'sharpness', 'depth_stamp_offset'},
}
"""What our own commands note for themselves and for readers."""


@dataclass(frozen=True, kw_only=True)
class DataCard:
    """The meaning of a data set's files.

    Raises:
        ConfigError: Naming every value that makes no sense.
    """

    classes: tuple[str, ...] = ()
    """Names in the order of the label, 2 to 254 of them. In a file also the name of a published
    set: nyu13, nyu40, sun37 or stanford13."""

    labeled: bool = True
    """Whether there are labels; without them, classes are not needed and no pixel has one."""

    name: str = ''
    """What reports and model cards call the data set; by default its folder's name."""

    palette: tuple[tuple[int, int, int], ...] | None = None
    """Red, green and blue of each class; by default colors that are easily told apart."""

    map: dict[int, str] | None = None
    """The class of each id in the label files; ids not named have no class. Without it, id i is
    class i."""

    ids: str | None = None
    """In place of `map`: the published set whose ids the label files hold, nyu13, nyu40 or sun37;
    1 = its first class, 0 = void. The classes are those, or coarser ones that they can become."""

    ignore: int = IGNORE
    """The id of pixels without a class, when there is no `map`."""

    depth_unit_m: float = 0.001
    """Meters in one step of the depth files: 0.001 for millimeters."""

    depth_rotated: bool = False
    """Whether the bits of the depth files are rotated up by three, as SUN RGB-D's are."""

    depth_missing: int = 0
    """What the depth files hold where the sensor saw nothing, beside 0."""

    clean_depth: bool = False
    """Whether depth was in-painted or rendered, so that it lacks a sensor's holes and noise."""

    frame: int = 0
    """Width in pixels of a border of every image that training shall not see."""

    terms: str = ''
    """What weights trained on the images are subject to; goes into the cards of networks."""

    def __post_init__(self) -> None:
        problems = [*self._class_problems(), *self._label_problems()]
        if not 1e-5 <= self.depth_unit_m <= 0.1:
            problems.append(
                f'depth_unit_m must lie in [0.00001, 0.1], got {self.depth_unit_m:g} '
                '(0.001 = millimeters)'
            )
        if not 0 <= self.depth_missing <= 65535:
            problems.append(f'depth_missing must be 0 to 65535, got {self.depth_missing}')
        if self.frame < 0:
            problems.append(f'frame must not be negative, got {self.frame}')
        if problems:
            raise ConfigError(f'{"; ".join(problems)}.')

    @cached_property
    def class_set(self) -> ClassSet:
        """Names and colors."""
        if self.palette is not None:
            return ClassSet(self.classes, self.palette)
        for published in PUBLISHED.values():
            if published.names == self.classes:
                return published
        return ClassSet(self.classes, distinct_palette(len(self.classes)))

    @cached_property
    def label_table(self) -> NDArray[np.uint8]:
        """`(256,)`: the label of each id, 255 = none, 254 = an id that should not occur."""
        if self.ids is not None:
            return _table_of_ids(PUBLISHED[self.ids], self.class_set)
        if self.map is not None:
            table = np.full(256, IGNORE, np.uint8)
            for number, name in self.map.items():
                table[number] = self.classes.index(name)
            return table
        table = np.full(256, UNKNOWN, np.uint8)
        table[: len(self.classes)] = np.arange(len(self.classes))
        table[self.ignore] = IGNORE
        return table

    def _class_problems(self) -> list[str]:
        problems = []
        if not 2 <= len(self.classes) <= UNKNOWN and (self.labeled or self.classes):
            problems.append(f'classes must be 2 to {UNKNOWN} names, got {len(self.classes)}')
        twice = sorted({name for name in self.classes if self.classes.count(name) > 1})
        if twice or '' in self.classes:
            problems.append(f'classes must differ and have names, got {twice or [""]} again')
        if self.palette is not None and len(self.palette) != len(self.classes):
            problems.append(
                f'palette must hold one color for each of the {len(self.classes)} classes, '
                f'got {len(self.palette)}'
            )
        wrong = [c for c in self.palette or () if not all(0 <= level <= 255 for level in c)]
        if wrong:
            problems.append(f'palette must hold levels of 0 to 255, got {list(wrong[0])}')
        return problems

    def _label_problems(self) -> list[str]:
        problems = self._ids_problems()
        if not 0 <= self.ignore <= 255:
            problems.append(f'ignore must be an id of 0 to 255, got {self.ignore}')
        elif self.ids is None and self.map is None and self.ignore < len(self.classes):
            problems.append(
                f'ignore is {self.ignore}, which without a map is the class '
                f'{self.classes[self.ignore]!r}; give a map such as {{1: {self.classes[0]}}}'
            )
        for number, name in (self.map or {}).items():
            if not 0 <= number <= 255:
                problems.append(f'map: ids must be 0 to 255, got {number}')
            if name not in self.classes:
                problems.append(f'map: {number} is {name!r}, which is none of the classes')
        missing = [name for name in self.classes if name not in (self.map or {}).values()]
        if self.map is not None and missing:
            problems.append(f'map: no id is {", ".join(missing)}')
        return problems

    def _ids_problems(self) -> list[str]:
        if self.ids is None:
            return []
        if self.ids not in _PUBLISHED_IDS:
            return [f'ids must be one of {", ".join(_PUBLISHED_IDS)}, got {self.ids!r}']
        problems = []
        if self.map is not None:
            problems.append('ids and map say the same twice; leave one out')
        if table_between(PUBLISHED[self.ids], ClassSet(self.classes, ())) is None:
            problems.append(f'ids: those of {self.ids} cannot become these classes; give a map')
        return problems


def read_card(tree: Tree) -> DataCard:
    """Return the card of a data set.

    Raises:
        DataError: If there is none, or it is no YAML.
        ConfigError: Naming every problem of it.
    """
    where = f'{tree.root}/{CARD}'
    if not tree.has(CARD):
        raise DataError(
            f'{where}: there is no such file. Write one with at least: classes: [first, second]'
        )
    try:
        values = yaml.safe_load(tree.read(CARD).decode('utf-8'))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f'{where}: is not valid YAML: {" ".join(str(error).split())}.') from error
    if not isinstance(values, dict):
        raise DataError(f'{where}: expected a mapping of keys to values.')
    classes = values.get('classes')
    if isinstance(classes, str):
        if classes not in PUBLISHED:
            raise ConfigError(
                f'{where}: classes must be a list of names or one of {", ".join(PUBLISHED)}, '
                f'got {classes!r}.'
            )
        values['classes'] = list(PUBLISHED[classes].names)
    return from_mapping(DataCard, _without_notes(values), where)


def _table_of_ids(source: ClassSet, classes: ClassSet) -> NDArray[np.uint8]:
    """Return the label of each id, of which 0 is void and 1 the first class of `source`."""
    table = np.full(256, UNKNOWN, np.uint8)
    between = table_between(source, classes)
    assert between is not None  # noqa: S101 - the card was checked
    table[1 : len(source) + 1] = between[: len(source)]
    table[0] = IGNORE
    return table


def _without_notes(values: dict[str, Any]) -> dict[str, Any]:
    """Drop what only our own commands write; from anyone else these keys are mistakes."""
    notes = _NOTES.get(str(values.get('made_by')), set())
    return {key: value for key, value in values.items() if key not in notes}
