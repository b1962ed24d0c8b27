from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from m3l_core.classes import distinct_palette, IGNORE, labels_from_nyu40, NYU13, NYU40, nyu40_table

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
