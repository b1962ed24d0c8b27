"""NYUv2 in a folder: lists, ids, and what is refused."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from m3l_core.classes import NYU40
from m3l_core.data.opening import open_samples
from m3l_core.errors import DataError


@pytest.fixture
def folder(nyu_folder: Path) -> Path:
    return nyu_folder


@pytest.mark.parametrize(
    ('split', 'ids'),
    [
        ('train', ['0001', '0003']),
        ('val', ['0002']),
        ('trainval', ['0001', '0002', '0003']),
        ('test', ['0004']),
    ],
)
def test_training_never_sees_validation(folder: Path, split: str, ids: list[str]) -> None:
    assert list(open_samples(folder, split).ids) == ids


def test_a_sample_is_in_our_units_and_classes(folder: Path) -> None:
    sample = open_samples(folder, 'train')[0]
    assert sample.depth_m[0, 0] == pytest.approx(1.5)
    assert sample.labels[0, 0] == 0  # NYU40 id 4 is a bed, class 0 of the 13


def test_a_sample_can_be_in_40_classes(folder: Path) -> None:
    samples = open_samples(folder, 'train', classes='nyu40')
    assert samples.classes == NYU40
    assert samples.classes.names[samples[0].labels[0, 0]] == 'bed'


def test_the_frame_and_the_in_painted_depth_are_told(folder: Path) -> None:
    samples = open_samples(folder, 'train')
    assert (samples.name, samples.frame, samples.clean_depth) == ('NYUv2', 8, True)


def test_an_unknown_split_is_refused(folder: Path) -> None:
    with pytest.raises(
        DataError, match="expected one of train, val, trainval, test, all, got 'x'"
    ):
        open_samples(folder, 'x')


def test_a_folder_without_lists_is_refused(folder: Path) -> None:
    (folder / 'val.txt').unlink()
    with pytest.raises(DataError, match='Expected a folder that holds NYUv2'):
        open_samples(folder, 'train')


def test_depth_of_eight_bits_is_refused(folder: Path) -> None:
    cv2.imwrite(str(folder / 'depth/0001.png'), np.zeros((4, 6), np.uint8))
    with pytest.raises(DataError, match='expected a one-channel 16-bit PNG of depth'):
        open_samples(folder, 'train')[0]


def test_images_of_different_sizes_are_refused_by_name(folder: Path) -> None:
    cv2.imwrite(str(folder / 'depth/0001.png'), np.zeros((3, 6), np.uint16))
    with pytest.raises(DataError, match='the images of 0001 differ in size'):
        open_samples(folder, 'train')[0]


def test_an_empty_split_is_refused(folder: Path) -> None:
    (folder / 'test.txt').write_text('')
    with pytest.raises(DataError, match='expected images in the split test, got none'):
        open_samples(folder, 'test')


def test_an_image_that_is_none_is_refused(folder: Path) -> None:
    (folder / 'rgb/0001.jpg').write_bytes(b'no image')
    with pytest.raises(DataError, match='is no image that can be read'):
        open_samples(folder, 'train')[0]


def test_the_real_set_has_its_published_sizes(data_folder: Path) -> None:
    root = data_folder / 'nyuv2'
    sizes = {
        split: len(open_samples(root, split)) for split in ('train', 'val', 'trainval', 'test')
    }
    assert sizes == {'train': 672, 'val': 123, 'trainval': 795, 'test': 654}
    assert not set(open_samples(root, 'trainval').ids) & set(open_samples(root, 'test').ids)


def test_the_13_classes_of_a_real_image_are_groups_of_its_40(data_folder: Path) -> None:
    root = data_folder / 'nyuv2'
    few, many = (
        open_samples(root, 'val', classes=classes)[7].labels for classes in ('nyu13', 'nyu40')
    )
    for label in np.unique(many):
        assert len(np.unique(few[many == label])) == 1
