"""The card of a folder: its defaults, and every problem of it at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from m3l_core.classes import IGNORE, NYU13
from m3l_core.data.card import DataCard, read_card, UNKNOWN
from m3l_core.data.tree import FolderTree
from m3l_core.errors import ConfigError, DataError


def card(folder: Path, **values: object) -> DataCard:
    """Write a card and read it back."""
    (folder / 'card.yaml').write_text(yaml.safe_dump(values))
    return read_card(FolderTree(folder))


def test_names_alone_make_a_card(tmp_path: Path) -> None:
    read = card(tmp_path, classes=['shelf', 'floor'])
    assert read == DataCard(classes=('shelf', 'floor'))
    assert len(set(read.class_set.palette)) == 2
    assert [read.label_table[i] for i in (0, 1, 2, 255)] == [0, 1, UNKNOWN, IGNORE]


def test_a_map_says_which_ids_are_which_class(tmp_path: Path) -> None:
    ids = {1: 'floor', 7: 'shelf', 8: 'shelf'}
    table = card(tmp_path, classes=['shelf', 'floor'], map=ids).label_table
    assert [table[i] for i in (0, 1, 7, 8)] == [IGNORE, 1, 0, 0]
    assert np.count_nonzero(table == IGNORE) == 253


def test_every_problem_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        card(
            tmp_path,
            classes=['a', 'a', 'b'],
            palette=[[0, 0, 300]],
            map={1: 'a', 300: 'c'},
            ignore=-1,
            depth_unit_m=1.0,
            frame=-2,
        )
    text = str(refused.value)
    for problem in (
        "classes must differ and have names, got ['a'] again",
        'palette must hold one color for each of the 3 classes, got 1',
        'palette must hold levels of 0 to 255, got [0, 0, 300]',
        'ignore must be an id of 0 to 255, got -1',
        'map: ids must be 0 to 255, got 300',
        "map: 300 is 'c', which is none of the classes",
        'map: no id is b',
        'depth_unit_m must lie in [0.00001, 0.1], got 1 (0.001 = millimeters)',
        'frame must not be negative, got -2',
    ):
        assert problem in text


def test_an_ignored_id_that_is_a_class_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ignore is 0, .* is the class 'a'; give a map such as"):
        card(tmp_path, classes=['a', 'b'], ignore=0)


@pytest.mark.parametrize('count', [1, 255])
def test_one_class_or_too_many_are_refused(tmp_path: Path, count: int) -> None:
    with pytest.raises(ConfigError, match=f'classes must be 2 to 254 names, got {count}'):
        card(tmp_path, classes=[f'c{i}' for i in range(count)])


def test_an_unknown_key_hides_no_other_problem(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        card(tmp_path, classes=['a', 'b'], unit='mm', frame=-1)
    assert 'unit: unknown key' in str(refused.value)
    assert 'frame must not be negative' in str(refused.value)


def test_unknown_keys_and_wrong_types_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        card(tmp_path, classes=['a', 'b'], depth='meters', map={'x': 'a'})
    assert 'depth: unknown key' in str(refused.value)
    assert "map: key: expected int, got 'x'" in str(refused.value)


def test_the_notes_of_rendered_rooms_are_read_over(tmp_path: Path) -> None:
    notes = {'made_by': 'm3l rooms', 'seed': 1, 'size': [240, 320], 'depth': 'uint16 mm'}
    read = card(tmp_path, **notes, ignore=255, classes=list(NYU13.names))
    assert read.class_set == NYU13


@pytest.mark.parametrize(
    ('text', 'problem'),
    [('[1, 2', 'is not valid YAML'), ('- a', 'expected a mapping of keys to values')],
)
def test_what_is_no_card_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / 'card.yaml').write_text(text)
    with pytest.raises(DataError, match=problem):
        read_card(FolderTree(tmp_path))


def test_a_missing_card_tells_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'Write one with at least: classes: \[first, second\]'):
        read_card(FolderTree(tmp_path))


def test_published_classes_and_ids_are_given_by_name(tmp_path: Path) -> None:
    read = card(tmp_path, classes='nyu13', ids='sun37')
    assert read.class_set == NYU13
    names = [read.classes[i] if i < 13 else i for i in read.label_table[[0, 1, 4, 25, 38, 255]]]
    assert names == [IGNORE, 'wall', 'bed', 'tv', UNKNOWN, UNKNOWN]


@pytest.mark.parametrize(
    ('values', 'problem'),
    [
        ({'classes': 'coco'}, "classes must be a list of names or one of nyu13, .* got 'coco'"),
        ({'classes': 'nyu13', 'ids': 'x'}, "ids must be one of nyu13, nyu40, sun37, got 'x'"),
        ({'classes': ['a', 'b'], 'ids': 'nyu40'}, 'those of nyu40 cannot become these classes'),
        ({'classes': 'nyu13', 'ids': 'nyu40', 'map': {1: 'bed'}}, 'ids and map say the same'),
        ({'classes': 'nyu13', 'depth_missing': 70000}, 'depth_missing must be 0 to 65535'),
    ],
)
def test_ids_that_make_no_sense_are_refused(
    tmp_path: Path, values: dict[str, object], problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        card(tmp_path, **values)
