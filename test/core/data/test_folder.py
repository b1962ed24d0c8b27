"""A plain folder of labeled images, its splits, and how it is recognized."""

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


def test_images_without_any_class_are_not_scored_on(plain_folder: Path) -> None:
    for file in plain_folder.glob('labels/*'):
        cv2.imwrite(str(file), np.full(SIZE, 255, np.uint8))
    with pytest.raises(DataError, match=r'mine: no pixel of the 12 images to score on has a cla'):
        Folder(plain_folder).expect_labels()
    cv2.imwrite(str(plain_folder / 'labels/003.png'), np.zeros(SIZE, np.uint8))
    Folder(plain_folder).expect_labels()


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
    (plain_folder / 'val.txt').write_text('003\n\n044.png\n')
    with pytest.raises(DataError, match=r"val.txt:3: '044.png' is no image .* such as '000'"):
        Folder(plain_folder, 'train')


def test_lists_may_give_the_files_or_their_paths(plain_folder: Path) -> None:
    (plain_folder / 'val.txt').write_text('003.png\nrgb/001.png\n./rgb/002.png\n')
    assert Folder(plain_folder, 'val').ids == ('003', '001', '002')


def test_a_list_of_images_is_a_split(plain_folder: Path, tmp_path: Path) -> None:
    (plain_folder / 'few.txt').write_text('003\n001\n')
    (tmp_path / 'other.txt').write_text('007\n')
    assert open_samples(plain_folder, 'few.txt').ids == ('003', '001')
    assert open_samples(plain_folder, str(tmp_path / 'other.txt')).ids == ('007',)
    with pytest.raises(DataError, match=r'none.txt: there is no such list, here or in .*mine'):
        open_samples(plain_folder, 'none.txt')


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
    assert open_samples(nyu_folder, 'val').name == 'NYUv2'
    assert open_samples(nyu_folder, 'val', classes='nyu40').classes == NYU40


def test_classes_that_mean_something_else_are_refused(plain_folder: Path) -> None:
    with pytest.raises(DataError, match=r'labels shelf, floor, robot, which cannot become nyu40'):
        open_samples(plain_folder, 'val', classes='nyu40')
    with pytest.raises(DataError, match="expected one of nyu13, nyu40, sun37, stanford13, got 'x"):
        open_samples(plain_folder, 'val', classes='x')


def test_labels_of_published_classes_become_coarser_ones(plain_folder: Path) -> None:
    (plain_folder / 'card.yaml').write_text('classes: sun37\nids: sun37\n')
    ids = np.arange(38, dtype=np.uint8).reshape(2, 19)
    for kind, image in (('rgb', np.zeros((2, 19, 3), np.uint8)), ('labels', ids)):
        cv2.imwrite(str(plain_folder / kind / '000.png'), image)
    cv2.imwrite(str(plain_folder / 'depth/000.png'), ids.astype(np.uint16))
    fine, coarse = (open_samples(plain_folder, 'all', classes=c) for c in (None, 'nyu13'))
    assert fine[0].labels.ravel().tolist() == [255, *range(37)]
    names = [coarse.classes.names[i] for i in coarse[0].labels.ravel()[[1, 4, 25]]]
    assert names == ['wall', 'bed', 'tv']
    assert open_samples(plain_folder, 'all', classes='nyu40')[0].labels.max() == 255


def test_without_labels_nothing_is_set_aside_for_validation(plain_folder: Path) -> None:
    (plain_folder / 'card.yaml').write_text('labeled: false\n')
    folder = open_samples(plain_folder, 'train', labeled=False)
    assert len(folder) == 12
    assert (folder[0].labels == 255).all()


def test_what_is_no_data_set_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'notes').write_text('nothing')
    with pytest.raises(DataError, match=r'expected card.yaml .* of NYUv2 \(label40/\), SUN RGB-D'):
        open_samples(tmp_path, 'train')
    with pytest.raises(DataError, match='is no zip file that can be read'):
        open_samples(tmp_path / 'notes', 'train')
    with pytest.raises(DataError, match='there is no such folder or file'):
        open_samples(tmp_path / 'absent', 'train')
