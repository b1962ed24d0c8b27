"""A plain folder of labelled images, its splits, and how it is recognized."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
import zipfile

import cv2
from labeled_images import SIZE, write_frame
import numpy as np
import pytest

from m3l_core.classes import NYU40
from m3l_core.data.folder import Folder
from m3l_core.data.nyuv2 import NyuV2
from m3l_core.data.opening import open_samples
from m3l_core.errors import DataError


def test_names_and_classes_come_from_the_folder(plain_folder: Path) -> None:
    samples = open_samples(plain_folder, 'all')
    assert (samples.name, samples.classes.names) == ('mine', ('shelf', 'floor', 'robot'))
    assert (samples.frame, samples.clean_depth, len(samples)) == (0, False, 12)
    sample = samples[3]
    assert (sample.name, sample.rgb.shape, sample.labels.shape) == ('003', (*SIZE, 3), SIZE)


def test_depth_is_read_in_the_unit_of_the_card(plain_folder: Path) -> None:
    (plain_folder / 'card.yaml').write_text('classes: [a, b, c]\ndepth_unit_m: 0.0002\n')
    cv2.imwrite(str(plain_folder / 'depth/000.png'), np.full(SIZE, 5003, np.uint16))
    assert Folder(plain_folder)[0].depth_mm[0, 0] == 1001  # 1000.6 mm


def test_jpeg_and_png_may_lie_side_by_side(plain_folder: Path) -> None:
    write_frame(plain_folder, 'photo', 99, suffix='.JPG')
    assert Folder(plain_folder).ids[-1] == 'photo'


def test_an_id_without_a_class_is_refused_with_the_remedy(plain_folder: Path) -> None:
    cv2.imwrite(str(plain_folder / 'labels/000.png'), np.full(SIZE, 9, np.uint8))
    with pytest.raises(DataError, match=r'000.png: holds the ids \[9\], .* Give a `map`'):
        Folder(plain_folder)[0]


def test_labels_alone_are_read_without_color_and_depth(plain_folder: Path) -> None:
    folder = Folder(plain_folder)
    whole = [sample.labels for sample in folder.once()]
    for file in (*plain_folder.glob('rgb/*'), *plain_folder.glob('depth/*')):
        file.write_bytes(b'no image')
    np.testing.assert_array_equal(list(folder.labels_once()), whole)


def test_a_missing_partner_is_named(plain_folder: Path) -> None:
    (plain_folder / 'labels/000.png').unlink()
    with pytest.raises(DataError, match=r'labels/000.png: there is no such file'):
        Folder(plain_folder)[0]


def test_lists_decide_and_training_leaves_validation_and_test_out(plain_folder: Path) -> None:
    (plain_folder / 'val.txt').write_text('003\n001\n')
    (plain_folder / 'test.txt').write_text('000\n')
    assert Folder(plain_folder, 'val').ids == ('003', '001')
    assert Folder(plain_folder, 'test').ids == ('000',)
    rest = {f'{index:03d}' for index in range(12)} - {'000', '001', '003'}
    assert set(Folder(plain_folder, 'train').ids) == rest
    assert set(Folder(plain_folder, 'trainval').ids) == rest | {'001', '003'}


@pytest.mark.parametrize(('count', 'validation'), [(6, 1), (12, 2), (36, 6), (720, 120)])
def test_without_lists_a_sixth_in_whole_stretches_validates(
    tmp_path: Path, count: int, validation: int
) -> None:
    for kind in ('rgb', 'depth', 'labels'):
        (tmp_path / kind).mkdir()
    for index in range(count):
        (tmp_path / f'rgb/{index:05d}.jpg').touch()
    (tmp_path / 'card.yaml').write_text('classes: [a, b]')
    val = [int(name) for name in Folder(tmp_path, 'val').ids]
    train = [int(name) for name in Folder(tmp_path, 'train').ids]
    assert len(val) == validation
    assert sorted(val + train) == list(range(count))
    stretches = 1 + sum(after != before + 1 for before, after in pairwise(val))
    assert stretches == (6 if count >= 36 else 1)


def test_a_split_without_images_tells_which_list_to_write(plain_folder: Path) -> None:
    with pytest.raises(DataError, match=r'in the split test, got none. .*test.txt'):
        Folder(plain_folder, 'test')


@pytest.mark.parametrize('kind', ['train', 'val'])
def test_images_of_test_in_another_list_are_refused_at_opening(
    plain_folder: Path, kind: str
) -> None:
    (plain_folder / f'{kind}.txt').write_text('000\n001\n')
    (plain_folder / 'test.txt').write_text('001\n002\n')
    with pytest.raises(
        DataError, match=rf"{kind}.txt: expected no .* got 1 of them, such as '001'"
    ):
        Folder(plain_folder, 'all')


def test_names_in_lists_may_hold_spaces(plain_folder: Path) -> None:
    write_frame(plain_folder, 'my desk 1', 99)
    (plain_folder / 'val.txt').write_text('  my desk 1\r\n\n003 \n')
    assert Folder(plain_folder, 'val').ids == ('my desk 1', '003')


def test_a_list_that_names_what_is_not_there_is_refused(plain_folder: Path) -> None:
    (plain_folder / 'val.txt').write_text('003\n004.png\n')
    with pytest.raises(DataError, match=r"1 of its 2 images are not in rgb/, such as '004.png'"):
        Folder(plain_folder, 'train')


def test_a_zip_file_of_the_folder_is_the_same_data_set(plain_folder: Path, tmp_path: Path) -> None:
    packed = tmp_path / 'mine.zip'
    with zipfile.ZipFile(packed, 'w') as file:
        for path in plain_folder.rglob('*.*'):
            file.write(path, path.relative_to(plain_folder))
    there, here = open_samples(packed, 'val'), open_samples(plain_folder, 'val')
    assert there.ids == here.ids
    for one, same in zip(there.once(), here.once(), strict=True):
        np.testing.assert_array_equal(one.rgb, same.rgb)
        np.testing.assert_array_equal(one.depth_mm, same.depth_mm)
        np.testing.assert_array_equal(one.labels, same.labels)


def test_the_folder_of_nyuv2_is_recognized(nyu_folder: Path) -> None:
    assert isinstance(open_samples(nyu_folder, 'val'), NyuV2)
    assert open_samples(nyu_folder, 'val', classes='nyu40').classes == NYU40


def test_other_data_sets_have_no_choice_of_classes(plain_folder: Path) -> None:
    with pytest.raises(DataError, match=r'names its own classes. Leave the choice out'):
        open_samples(plain_folder, 'val', classes='nyu40')


def test_what_is_no_data_set_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'notes').write_text('nothing')
    with pytest.raises(DataError, match=r'expected card.yaml .* or label40/ \(NYUv2\), found'):
        open_samples(tmp_path, 'train')
    with pytest.raises(DataError, match='is no zip file that can be read'):
        open_samples(tmp_path / 'notes', 'train')
    with pytest.raises(DataError, match='there is no such folder or file'):
        open_samples(tmp_path / 'absent', 'train')
