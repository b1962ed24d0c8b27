"""SUN RGB-D in both of its layouts: labels, splits, and the three encodings of depth."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
import shutil
import sys

import cv2
import numpy as np
from published_trees import (
    frames,
    rotated,
    SUN_PLACES,
    write_sun_as_published,
    write_sun_folders,
    write_sun_toolbox,
)
import pytest

from m3l_core.classes import NYU13, NYU40, SUN37
from m3l_core.data.check import check
from m3l_core.data.folder import Folder
from m3l_core.data.matching import open_matching
from m3l_core.data.opening import open_samples
from m3l_core.data.samples import unrotated
from m3l_core.data.splits import made_up_validation
from m3l_core.data.sun import tell_depth, VALIDATION_ONE_IN
from m3l_core.errors import DataError, M3lError


@pytest.fixture
def published(tmp_path: Path) -> Path:
    for module in ('h5py', 'scipy'):
        pytest.importorskip(module)
    write_sun_as_published(tmp_path)
    write_sun_toolbox(tmp_path)
    return tmp_path


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    write_sun_folders(tmp_path / 'papers')
    return tmp_path / 'papers'


def expect_frames(samples: Folder, expected: list[int]) -> None:
    """Expect these frames, their labels seen in 13 classes."""
    assert len(samples) == len(expected)
    for sample, index in zip(samples.once(), expected, strict=True):
        np.testing.assert_array_equal(sample.labels, frames()[index].labels)
        np.testing.assert_array_equal(sample.depth_mm, frames()[index].depth_mm)
        assert np.abs(sample.rgb.astype(int) - frames()[index].rgb).mean() < 12  # as JPEG


def test_labels_of_the_toolbox_belong_to_their_images(published: Path) -> None:
    expect_frames(open_samples(published, 'test', classes='nyu13'), [0, 1])
    expect_frames(open_samples(published, 'trainval', classes='nyu13'), list(range(2, 8)))


def test_what_the_published_set_is(published: Path) -> None:
    samples = open_samples(published, 'test')
    assert (samples.name, samples.classes, samples.clean_depth) == ('SUN RGB-D', SUN37, True)
    assert samples.ids == ('kv1_NYUdata_NYU0001', 'kv1_NYUdata_NYU0002')
    assert check(open_samples(published, 'all')).problems == []


def test_sensors_may_lie_in_the_folder_itself(published: Path) -> None:
    for sensor in (published / 'SUNRGBD').iterdir():
        sensor.rename(published / sensor.name)
    expect_frames(open_samples(published, 'test', classes='nyu13'), [0, 1])


def test_sequences_and_runs_are_scenes(published: Path) -> None:
    samples = open_samples(published, 'all')
    scene = dict(zip(samples.ids, samples.scenes, strict=True))
    of = [scene[place.replace('/', '_')] for place in SUN_PLACES]
    assert of[0] == of[1]
    assert of[5] == of[6] == 'xtion/sun3ddata/hotel_umd/maryland_hotel1'
    assert len(set(of)) == 6


def test_without_the_toolbox_there_are_images_but_no_labels(tmp_path: Path) -> None:
    write_sun_as_published(tmp_path)
    samples = open_samples(tmp_path, 'all', labeled=False)
    assert (len(samples), set(np.unique(samples[0].labels))) == (8, {255})
    with pytest.raises(DataError, match='expected a data set with labels'):
        open_samples(tmp_path, 'train')


@pytest.mark.parametrize(
    ('file', 'expected'),
    [
        ('Metadata/SUNRGBDMeta.mat', 'the variable SUNRGBDMeta'),
        ('Metadata/SUNRGBD2Dseg.mat', 'SUNRGBD2Dseg with seglabel in it'),
        ('traintestSUNRGBD/allsplit.mat', 'the variable alltrain'),
    ],
)
def test_a_damaged_or_missing_file_of_the_toolbox_is_named(
    published: Path, file: str, expected: str
) -> None:
    path = published / 'SUNRGBDtoolbox' / file
    path.write_bytes(b'damaged' * 100)
    with pytest.raises(DataError, match=f'{path.name}: expected {expected}. Unpack'):
        open_samples(published, 'train')
    path.unlink()
    with pytest.raises(DataError, match=rf'{path.name}: there is no such file. Unpack'):
        open_samples(published, 'train')


@pytest.mark.parametrize('damage', ['numbers', 'of 257', 'not a number'])
def test_labels_that_are_none_are_named(published: Path, damage: str) -> None:
    h5py = pytest.importorskip('h5py')
    with h5py.File(published / 'SUNRGBDtoolbox/Metadata/SUNRGBD2Dseg.mat', 'r+') as file:
        if damage == 'numbers':  # in place of references
            del file['SUNRGBD2Dseg/seglabel']
            file['SUNRGBD2Dseg/seglabel'] = np.zeros((len(SUN_PLACES), 1))
        else:  # 257 is 1 in eight bits, a wall
            value = 257.0 if damage == 'of 257' else np.nan
            del file['#refs#/0']
            image = file.create_dataset('#refs#/0', data=np.full((80, 60), value))
            file['SUNRGBD2Dseg/seglabel'][0, 0] = image.ref
    with pytest.raises(DataError, match=r'SUNRGBD2Dseg.mat: expected .*labels number 1'):
        open_samples(published, 'test').read(0)


@pytest.mark.parametrize('module', ['h5py', 'scipy.io'])
def test_a_missing_package_is_named_with_the_extra_that_brings_it(
    published: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(M3lError, match=r'SUN RGB-D as published needs .*m3l_perception\[sun\]'):
        open_samples(published, 'train')


def test_folders_are_matched_by_number_and_split_by_lists(folders: Path) -> None:
    expect_frames(open_samples(folders, 'test', classes='nyu13'), [0, 1])
    expect_frames(open_samples(folders, 'trainval', classes='nyu13'), list(range(2, 8)))


def test_a_tenth_of_the_training_images_validates_in_whole_stretches() -> None:
    names = [f'{number:05d}' for number in range(5285)]
    chosen = [int(name) for name in made_up_validation(names, VALIDATION_ONE_IN)]
    assert len(chosen) == 528  # as many as in the protocol of the paper
    assert sum(after != before + 1 for before, after in pairwise(chosen)) == 5


@pytest.mark.parametrize('step', ['tenths', 'published', 'millimeters'])
def test_the_encoding_of_depth_is_told_by_its_values(tmp_path: Path, step: str) -> None:
    write_sun_folders(tmp_path, depth_step=step)
    expect_frames(open_samples(tmp_path, 'test', classes='nyu13'), [0, 1])


def test_depth_that_could_be_either_is_refused(tmp_path: Path) -> None:
    write_sun_folders(tmp_path, depth_step='coarse')
    with pytest.raises(DataError, match=r'depth: expected depth of SUN .* cannot tell which from'):
        open_samples(tmp_path, 'test')


def test_depth_without_readings_is_refused() -> None:
    with pytest.raises(DataError, match='cannot tell which from 0 readings'):
        tell_depth([np.zeros((40, 40), np.uint16)], 'depth')


def test_far_depth_is_rotated_back() -> None:
    depth = np.array([[1, 8191, 8192, 65535]], np.uint16)
    assert tell_depth([rotated(frames()[0].depth_mm)], 'depth') == (True, 0.001)
    np.testing.assert_array_equal(unrotated(rotated(depth)), depth)


def test_lists_of_paths_name_the_files(tmp_path: Path) -> None:
    write_sun_folders(tmp_path)
    for kind, numbers in (('test37', (1, 2)), ('train37', range(3, 9))):
        (tmp_path / f'{kind}.txt').write_text(
            ''.join(
                f'image/img-{n:06d}.jpg depth/{n:08d}.png label37/img37labels-{n:06d}.png\n'
                for n in numbers
            )
        )
        (tmp_path / f'{kind[:-2]}.txt').unlink()
    expect_frames(open_samples(tmp_path, 'test', classes='nyu13'), [0, 1])


def test_images_may_lie_in_parts_for_training_and_test(tmp_path: Path) -> None:
    write_sun_folders(tmp_path)
    for path in [*tmp_path.glob('*/*.png'), *tmp_path.glob('*/*.jpg')]:
        number = int(path.stem[-6:])
        part = path.parent / ('test' if number < 3 else 'train')
        part.mkdir(exist_ok=True)
        path.rename(part / path.name)
    (tmp_path / 'test.txt').write_text('image/test/img-000001.jpg\n')
    expect_frames(open_samples(tmp_path, 'test', classes='nyu13'), [0])


def test_a_number_that_two_files_have_matches_neither(folders: Path) -> None:
    shutil.copy(folders / 'depth/00000005.png', folders / 'depth/other_4.png')
    with pytest.raises(DataError, match=r'image/img-000004.jpg: there is no depth image of its'):
        open_samples(folders, 'train')


def test_lists_are_needed(folders: Path) -> None:
    (folders / 'test.txt').unlink()
    with pytest.raises(DataError, match=r'test.txt: there is no such file. .* 5,050 images of'):
        open_samples(folders, 'train')


def test_a_missing_partner_is_named_at_opening(folders: Path) -> None:
    (folders / 'depth/00000004.png').unlink()
    with pytest.raises(DataError, match=r'image/img-000004.jpg: there is no depth image of its'):
        open_samples(folders, 'train')


@pytest.mark.parametrize(('name', 'known'), [('SUNRGBD', True), ('indoor', False)])
def test_folders_without_the_37_need_sun_in_their_name(
    tmp_path: Path, name: str, known: bool
) -> None:
    write_sun_folders(tmp_path / name, labels='label')
    if known:
        assert open_samples(tmp_path / name, 'test').classes == SUN37
    else:
        with pytest.raises(DataError, match='found none of them'):
            open_samples(tmp_path / name, 'test')


@pytest.mark.parametrize('number', [38, 255])
def test_ids_of_another_numbering_are_refused(folders: Path, number: int) -> None:
    labels = np.full((60, 80), number, np.uint8)
    cv2.imwrite(str(folders / 'label37/img37labels-000001.png'), labels)
    with pytest.raises(DataError, match=rf'holds the ids \[{number}\], which are none of its 37'):
        open_samples(folders, 'test')[0]


@pytest.mark.parametrize('classes', [NYU13, NYU40, SUN37])
def test_it_scores_a_network_of_other_classes(folders: Path, classes: object) -> None:
    assert open_matching(folders, 'test', classes).classes == classes  # type: ignore[arg-type]
