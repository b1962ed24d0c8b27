from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from m3l_core.classes import (
    ClassSet,
    distinct_palette,
    IGNORE,
    labels_from_nyu40,
    NYU13,
    NYU40,
    nyu40_table,
    PUBLISHED,
    published_name,
    STANFORD13,
    SUN37,
    table_between,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_labels_are_painted_in_the_colors_of_their_classes() -> None:
    labels = np.array([[0, 12], [13, IGNORE]], np.uint8)
    colors = NYU13.colors(labels)
    assert colors.dtype == np.uint8
    assert colors.tolist() == [[[186, 85, 211], [240, 240, 140]], [[0, 0, 0], [0, 0, 0]]]


def test_every_class_has_a_color_of_its_own() -> None:
    assert len(NYU13) == len(set(NYU13.names)) == len(set(NYU13.palette)) == 13


@pytest.mark.parametrize('count', [2, 40, 255])
def test_made_up_colors_are_told_apart_from_each_other_and_from_black(count: int) -> None:
    palette = np.array([(0, 0, 0), *distinct_palette(count)])
    apart = np.linalg.norm(palette[:, None] - palette, axis=2)
    assert apart[~np.eye(count + 1, dtype=bool)].min() >= 25


def test_the_40_classes_keep_their_order_and_leave_void_out() -> None:
    table = nyu40_table(NYU40)
    assert [table[i] for i in (0, 1, 40, 41, 255)] == [IGNORE, 0, 39, IGNORE, IGNORE]


def test_nyu40_ids_become_13_classes_and_void() -> None:
    # NYU40: 1 wall, 2 floor, 4 bed, 5 chair, 6 sofa, 22 ceiling, 25 television; 41 is no id
    ids = np.array([0, 1, 2, 4, 5, 6, 22, 25, 41], np.uint8)
    names = [NYU13.names[i] if i != IGNORE else None for i in labels_from_nyu40(ids)]
    expected = [None, 'wall', 'floor', 'bed', 'chair', 'sofa', 'ceiling', 'tv', None]
    assert names == expected


def test_names_and_map_are_those_of_the_data_set(data_folder: Path) -> None:
    published = json.loads((data_folder / 'nyuv2' / 'classes.json').read_text())
    assert ['void', *NYU13.names] == published['13']
    assert ['void', *NYU40.names] == published['40']
    labels = labels_from_nyu40(np.arange(41, dtype=np.uint8))
    assert np.where(labels == IGNORE, 0, labels + 1).tolist() == published['40_to_13']


def test_sun37_is_nyu40_without_the_three_others_and_back() -> None:
    assert set(NYU40.names) - set(SUN37.names) == {
        'otherstructure', 'otherfurniture', 'otherprop',
    }  # fmt: skip
    there, back = table_between(NYU40, SUN37), table_between(SUN37, NYU40)
    assert there is not None
    assert back is not None
    for label, name in enumerate(NYU40.names):
        known = name in SUN37.names
        assert there[label] == (SUN37.names.index(name) if known else IGNORE)
        if known:
            assert NYU40.names[back[there[label]]] == name
    assert there[IGNORE] == back[IGNORE] == IGNORE


def test_the_way_to_13_classes_is_the_same_from_37_and_from_40() -> None:
    from_40, from_37 = table_between(NYU40, NYU13), table_between(SUN37, NYU13)
    assert from_40 is not None
    assert from_37 is not None
    assert from_40[:37].tolist() == from_37[:37].tolist()
    assert from_40[:40].tolist() == nyu40_table(NYU13)[1:41].tolist()
    assert (from_37[37:] == IGNORE).all()


@pytest.mark.parametrize('name', PUBLISHED)
def test_classes_of_the_same_names_stay_what_they_are(name: str) -> None:
    classes = PUBLISHED[name]
    table = table_between(ClassSet(classes.names, ()), classes)
    assert table is not None
    assert table.tolist() == [*range(len(classes)), *[IGNORE] * (256 - len(classes))]
    assert published_name(classes) == name
    assert len(classes.palette) == len(set(classes.palette)) == len(classes.names)


@pytest.mark.parametrize(
    ('source', 'target'),
    [(NYU13, NYU40), (NYU13, SUN37), (STANFORD13, NYU13), (SUN37, STANFORD13)],
)
def test_what_was_never_told_apart_cannot_be(source: ClassSet, target: ClassSet) -> None:
    assert table_between(source, target) is None
    assert published_name(ClassSet(('a', 'b'), ())) is None
