"""Stanford 2D-3D-S as it is published: areas, rooms, numbers of objects, depth in 1/512 m."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from published_trees import frames, STANFORD_ROOMS, write_stanford
import pytest

from m3l_core.classes import STANFORD13
from m3l_core.cli import main
from m3l_core.data.check import check
from m3l_core.data.opening import open_samples
from m3l_core.data.pack import pack, Packing
from m3l_core.errors import DataError


@pytest.fixture
def stanford(tmp_path: Path) -> Path:
    root = tmp_path / '2d3ds'
    write_stanford(root)
    return root


@pytest.mark.parametrize(
    ('split', 'areas'),
    [
        ('train', ['area_1'] * 3),
        ('val', ['area_3']),
        ('trainval', ['area_1'] * 3 + ['area_3']),
        ('test', ['area_5a', 'area_5b']),
    ],
)
def test_areas_are_the_splits(stanford: Path, split: str, areas: list[str]) -> None:
    samples = open_samples(stanford, split)
    assert [name.partition('_camera_')[0] for name in samples.ids] == areas


def test_panoramas_and_pretty_labels_are_left_out(stanford: Path) -> None:
    assert len(open_samples(stanford, 'all')) == len(STANFORD_ROOMS)


def test_labels_are_the_classes_of_the_objects(stanford: Path) -> None:
    samples = open_samples(stanford, 'all')
    assert (samples.name, samples.classes) == ('Stanford 2D-3D-S', STANFORD13)
    expected = frames()[0].labels.copy()
    expected[:10, :10] = expected[-1, -1] = 255  # not scanned, and not known
    np.testing.assert_array_equal(samples[0].labels, expected)


def test_depth_becomes_millimeters_and_what_is_missing_zero(stanford: Path) -> None:
    depth = open_samples(stanford, 'all')[0].depth_mm
    truth = frames()[0].depth_mm
    assert (truth == 0).any()
    np.testing.assert_array_equal(depth == 0, truth == 0)
    np.testing.assert_allclose(depth, truth, atol=1)


def test_rooms_of_an_area_are_its_scenes(stanford: Path) -> None:
    assert open_samples(stanford, 'all').scenes == (
        'area_1_office_1', 'area_1_office_1', 'area_1_conferenceRoom_2',
        'area_3_office_1', 'area_5a_WC_1', 'area_5b_hallway_12',
    )  # fmt: skip


def test_areas_that_are_not_there_are_not_needed(stanford: Path) -> None:
    for area in ('area_5a', 'area_5b', 'area_3'):
        (stanford / area).rename(stanford / f'no_{area}')
    assert len(open_samples(stanford, 'train')) == 3
    with pytest.raises(DataError, match='expected images in the split test, got none'):
        open_samples(stanford, 'test')


def test_lists_beside_the_areas_are_heeded(stanford: Path) -> None:
    first, second, third = sorted((stanford / 'area_1/data/rgb').iterdir())
    (stanford / 'train.txt').write_text(f'{first.name}\n{second.name}\n')
    assert len(open_samples(stanford, 'train')) == 2
    assert open_samples(stanford, 'val').scenes == ('area_3_office_1',)
    (stanford / 'val.txt').write_text(f'area_1/data/rgb/{third.name}\n')
    assert open_samples(stanford, 'val').scenes == ('area_1_conferenceRoom_2',)
    (stanford / 'val.txt').write_text(f'{next((stanford / "area_5a/data/rgb").iterdir()).name}\n')
    with pytest.raises(DataError, match=r'val.txt: expected no image of test.txt, got 1'):
        open_samples(stanford, 'train')


def test_names_with_two_underscores_are_read(stanford: Path) -> None:
    for path in stanford.glob('area_1/data/*/*_domain_*.png'):
        path.rename(path.with_name(path.name.replace('_domain_', '_domain__')))
    assert (open_samples(stanford, 'train')[1].labels != 255).any()


def test_the_file_that_explains_the_objects_is_needed(stanford: Path) -> None:
    explained = stanford / 'assets/semantic_labels.json'
    for text, problem in (('{}', 'expected a list of names'), ('[', 'expected a list of names')):
        explained.write_text(text)
        with pytest.raises(DataError, match=problem):
            open_samples(stanford, 'train')
    explained.unlink()
    with pytest.raises(DataError, match=r'semantic_labels.json: there is no such file; .* github'):
        open_samples(stanford, 'train')


def test_labels_that_were_made_gray_are_refused(stanford: Path) -> None:
    path = next(stanford.glob('area_3/data/semantic/*.png'))
    cv2.imwrite(str(path), frames()[3].labels + 20)
    with pytest.raises(DataError, match='expected the colors of semantic/, got gray'):
        open_samples(stanford, 'val')[0]


def test_a_list_of_paths_is_a_split(stanford: Path, tmp_path: Path) -> None:
    rgb = sorted((stanford / 'area_1/data/rgb').iterdir())[2]
    few = tmp_path / 'few.txt'
    few.write_text(f'area_1/data/rgb/{rgb.name}\tarea_1/data/depth/x.png\n')
    assert open_samples(stanford, str(few)).scenes == ('area_1_conferenceRoom_2',)


def test_it_is_checked_and_packed_like_any_other(
    stanford: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(open_samples(stanford, 'all')).problems == []
    assert main(['data', 'check', str(stanford)]) == 0
    assert 'train 3, val 1, test 2' in capsys.readouterr().out
    before = open_samples(stanford, 'train')
    pack(before, tmp_path / 'small.zip', Packing())
    after = open_samples(tmp_path / 'small.zip', 'train')
    assert (after.ids, after.classes) == (before.ids, before.classes)
    np.testing.assert_array_equal(after[2].labels, before[2].labels)
