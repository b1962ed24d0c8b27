"""Which images a run learns from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip('torch')

from small_run import CONFIG  # noqa: E402

from m3l_core.errors import ConfigError, DataError  # noqa: E402
from m3l_core.train.sources import open_sources  # noqa: E402
from m3l_core.train.trainer import Trainer  # noqa: E402


def test_data_sets_of_other_classes_are_not_mixed(images: Path, tmp_path: Path) -> None:
    other = tmp_path / 'other'
    for kind in ('rgb', 'depth', 'labels'):
        (other / kind).mkdir(parents=True)
    for name in ('a', 'b'):
        cv2.imwrite(str(other / f'rgb/{name}.png'), np.zeros((48, 64, 3), np.uint8))
        cv2.imwrite(str(other / f'depth/{name}.png'), np.ones((48, 64), np.uint16))
        cv2.imwrite(str(other / f'labels/{name}.png'), np.zeros((48, 64), np.uint8))
    (other / 'card.yaml').write_text('classes: [dog, cat]')
    with pytest.raises(ConfigError, match='got dog, cat'):
        open_sources(images, 'train', rendered=other)


def test_test_images_are_not_learned_from(images: Path, tmp_path: Path) -> None:
    for split in ('all', 'test'):
        with pytest.raises(ConfigError, match=f'split: {split}: takes in 2 test images'):
            open_sources(images, split)
    listed = tmp_path / 'few.txt'
    listed.write_text('0001\n0010\n')
    with pytest.raises(ConfigError, match='takes in 1 test images'):
        open_sources(images, str(listed))
    with pytest.raises(ConfigError, match=r'--rendered .*: takes in 2 test images'):
        open_sources(images, 'train', rendered=images)


def test_a_run_that_nothing_could_score_is_not_begun(images: Path) -> None:
    for name in ('0008', '0009'):
        file = images / f'label40/{name}.png'
        cv2.imwrite(str(file), np.zeros_like(cv2.imread(str(file), cv2.IMREAD_UNCHANGED)))
    with pytest.raises(DataError, match='no pixel of the 2 images to score on has a class'):
        open_sources(images, 'train')


def test_the_batches_are_those_of_the_configuration(images: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, rendered_share=(0.5, 0.1), cutmix=0.3)
    sources = replace(open_sources(images, 'train'), rendered=open_sources(images, 'val').training)
    batches = Trainer(config, sources, tmp_path / 'run')._batches()
    assert batches.rendered is sources.rendered
    assert batches.cutmix == 0.3
    assert batches.rendered_share_at(3) == pytest.approx(0.3)


def test_few_labels_leave_the_other_images_unlabeled(images: Path) -> None:
    sources = open_sources(images, 'train', labels=5, seed=3)
    assert len(sources.training) == 5
    (rest,) = sources.unlabeled
    assert {*sources.training.ids, *rest.ids} == set(open_sources(images, 'train').training.ids)
    assert (rest[0].labels == 255).all()
    assert sources.describe().endswith('5 images, and 3 without labels')
    assert sources.digest() != open_sources(images, 'train', labels=5, seed=4).digest()
    with pytest.raises(DataError, match='with labels, got 9'):
        open_sources(images, 'train', labels=9)


def test_test_and_validation_images_are_not_looked_at_without_labels(images: Path) -> None:
    sources = open_sources(images, 'train', unlabeled=[images])
    (unlabeled,) = sources.unlabeled
    assert set(unlabeled.ids) == set(sources.training.ids)
    assert not sources.learned_from_val_of


def test_a_list_that_takes_in_images_of_val_is_known_for_it(images: Path, tmp_path: Path) -> None:
    listed = tmp_path / 'some.txt'
    listed.write_text('0003\n0009\n')
    sources = open_sources(images, str(listed))
    assert sources.learned_from_val_of == 'NYUv2'
    assert Trainer(CONFIG, sources, tmp_path / 'run').card({'both': 1.0}).metrics == {}


def test_an_empty_list_is_refused(images: Path, tmp_path: Path) -> None:
    listed = tmp_path / 'none.txt'
    listed.write_text('\n')
    with pytest.raises(DataError, match=r'none.txt: expected the name of an image in each line'):
        open_sources(images, str(listed))


def test_a_method_for_unlabeled_images_needs_some(images: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, method='m3l_plus')
    with pytest.raises(ConfigError, match='learns from unlabeled images, but there are none'):
        Trainer(config, open_sources(images, 'train'), tmp_path / 'run')


def test_a_list_of_images_is_a_split_and_classes_can_be_chosen(
    images: Path, tmp_path: Path
) -> None:
    listed = tmp_path / 'few.txt'
    listed.write_text('0003\n0001\n')
    sources = open_sources(images, str(listed), classes='nyu40')
    assert set(sources.training.ids) == {'0001', '0003'}
    assert len(sources.training.classes) == len(sources.validation.classes) == 40
