"""What a check finds: each kind of fault by its name, and nothing in a sound folder."""

from __future__ import annotations

from pathlib import Path
import shutil

import cv2
from labeled_images import SIZE
import numpy as np
import pytest

from m3l_core.cli import main
from m3l_core.data.check import Check, check
from m3l_core.data.folder import Folder
from m3l_core.data.inspection import inspect
from m3l_core.data.opening import open_samples
from m3l_core.data.sheet import contact_sheet


def checked(folder: Path) -> Check:
    return check(open_samples(folder, 'all'))


def save(folder: Path, file: str, image: np.ndarray) -> None:
    assert cv2.imwrite(str(folder / file), image)


def test_nothing_is_wrong_with_a_sound_folder(plain_folder: Path) -> None:
    found = checked(plain_folder)
    assert (found.problems, found.remarks) == ([], [])
    assert found.sizes == {SIZE: 12}
    assert found.median_m == pytest.approx(2.4, abs=0.2)
    assert found.seen == 1.0
    assert found.unlabeled == 0.0
    assert found.pixels.sum() == 12 * SIZE[0] * SIZE[1]
    assert found.images_with.tolist() == [12, 12, 12]


@pytest.mark.parametrize(
    ('file', 'image', 'problem'),
    [
        ('depth/000.png', np.zeros(SIZE, np.uint16), 'depth image without a reading: 000'),
        ('depth/000.png', np.full(SIZE, 900, np.uint16), 'depth image of one value: 000 (900)'),
        (
            'depth/000.png',
            np.ones(SIZE, np.uint8),
            'depth file that cannot be used: 000 (depth/000.png: expected a one-channel 16-bit',
        ),
        ('rgb/000.png', np.zeros((*SIZE, 3), np.uint8), 'color image of one value: 000 (0)'),
        ('labels/000.png', np.full(SIZE, 7, np.uint8), 'label ids that are no class: 000 ([7])'),
        ('labels/000.png', np.full(SIZE, 255, np.uint8), 'label image without a class: 000'),
        (
            'labels/000.png',
            np.ones((12, 16), np.uint8),
            'color, depth and labels differ in size: 000 (12x16, 24x32)',
        ),
    ],
)
def test_a_wrong_image_is_named(
    plain_folder: Path, file: str, image: np.ndarray, problem: str
) -> None:
    save(plain_folder, file, image)
    (found,) = checked(plain_folder).problems
    assert found.startswith(f'1 x {problem}')


def test_missing_and_left_over_files_are_named(plain_folder: Path) -> None:
    (plain_folder / 'depth/001.png').unlink()
    (plain_folder / 'rgb/002.png').unlink()
    (plain_folder / 'rgb/003.txt').touch()
    assert checked(plain_folder).problems == [
        '1 x no depth file: 001 (depth/001.png)',
        '1 x file in rgb/ that is not used: 003.txt',
        '1 x no color file for a file in depth/: 002.png',
        '1 x no color file for a file in labels/: 002.png',
    ]


def test_a_file_that_is_no_image_is_named(plain_folder: Path) -> None:
    (plain_folder / 'rgb/000.png').write_bytes(b'no image')
    (found,) = checked(plain_folder).problems
    assert 'color file that cannot be used: 000 (rgb/000.png: is no image' in found


def test_many_faults_of_a_kind_are_counted(plain_folder: Path) -> None:
    for path in (plain_folder / 'depth').iterdir():
        path.unlink()
    (found,) = checked(plain_folder).problems
    assert found.startswith('12 x no depth file: 000 (')
    assert found.endswith(' and 9 more')


@pytest.mark.parametrize(
    ('unit', 'fits'), [(0.01, '0.001 would give 2.'), (0.00001, '0.001 would give 2.')]
)
def test_a_wrong_depth_unit_is_told_with_one_that_fits(
    plain_folder: Path, unit: float, fits: str
) -> None:
    (plain_folder / 'card.yaml').write_text(f'classes: [a, b, c]\ndepth_unit_m: {unit:f}\n')
    (found,) = checked(plain_folder).problems
    assert 'is probably wrong' in found
    assert fits in found


def test_the_unit_of_finer_depth_is_found(plain_folder: Path) -> None:
    for path in (plain_folder / 'depth').iterdir():
        depth = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        save(plain_folder, f'depth/{path.name}', depth * 10 + 15000)
    (found,) = checked(plain_folder).problems
    assert 'depth has a median of 39' in found
    assert 'depth_unit_m: 0.0001 would give 3.9' in found


def test_an_image_in_train_and_val_is_found(plain_folder: Path) -> None:
    shutil.copy(plain_folder / 'rgb/000.png', plain_folder / 'rgb/011.png')
    found = checked(plain_folder)
    assert found.problems == ['1 x same color file in train and in val or test: 011 = 000']


def test_an_image_that_only_looks_the_same_is_a_remark(plain_folder: Path) -> None:
    copied = cv2.imread(str(plain_folder / 'rgb/000.png'))
    save(plain_folder, 'rgb/011.png', np.maximum(copied, 1))
    found = checked(plain_folder)
    assert found.problems == []
    assert found.remarks == ['1 x image of val or test that looks like one of train: 011 ~ 000']


def test_classes_that_hardly_occur_are_remarked(plain_folder: Path) -> None:
    (plain_folder / 'card.yaml').write_text('classes: [a, b, c, rare, never]\n')
    save(plain_folder, 'labels/000.png', np.full(SIZE, 3, np.uint8))
    assert checked(plain_folder).remarks == [
        'no image shows: never',
        'fewer than 3 images show: rare (1)',
    ]


def test_a_frame_that_leaves_nothing_is_found(plain_folder: Path) -> None:
    (plain_folder / 'card.yaml').write_text('classes: [a, b, c]\nframe: 12\n')
    (found,) = checked(plain_folder).problems
    assert found.startswith('12 x image that is all frame')


def test_the_sheet_shows_color_depth_and_labels(plain_folder: Path) -> None:
    folder = Folder(plain_folder)
    sheet = contact_sheet([folder[0], folder[1], folder[2]], folder.classes)
    assert sheet.dtype == np.uint8
    for color in folder.classes.palette:
        assert (sheet == color).all(axis=2).any()


def test_the_command_exits_with_1_and_writes_only_the_sheet(
    plain_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(plain_folder.rglob('*'))
    sheet = tmp_path / 'sheet.png'
    assert main(['data', 'check', str(plain_folder), '--sheet', str(sheet)]) == 0
    assert 'nothing is wrong' in capsys.readouterr().out
    assert cv2.imread(str(sheet)) is not None
    save(plain_folder, 'depth/000.png', np.zeros(SIZE, np.uint16))
    assert main(['data', 'check', str(plain_folder)]) == 1
    assert 'WRONG: 1 x depth image without a reading: 000' in capsys.readouterr().out
    assert sorted(plain_folder.rglob('*')) == before


def test_the_command_refuses_a_wrong_card_in_one_line(
    plain_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (plain_folder / 'card.yaml').write_text('classes: [a]\nunits: mm\n')
    assert main(['data', 'check', str(plain_folder)]) == 2
    assert 'units: unknown key' in capsys.readouterr().err


def test_nyuv2_is_checked_by_its_own_ids(nyu_folder: Path) -> None:
    save(nyu_folder, 'label40/0001.png', np.full((4, 6), 41, np.uint8))  # 40 is the last
    found = checked(nyu_folder)
    assert any('ids that are no class: 0001 ([41])' in problem for problem in found.problems)
    assert found.images_with[found.folder.classes.names.index('bed')] == 3


def test_real_images_are_sound(data_folder: Path) -> None:
    folder = open_samples(data_folder / 'nyuv2', 'val', classes='nyu40')
    for name in folder.ids[:3]:
        found = inspect(folder, name)
        assert (found.faults, found.size, found.seen) == ({}, (480, 640), 1.0)
        assert found.median_m is not None
        assert 0.7 < found.median_m < 10
