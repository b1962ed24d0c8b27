"""The score of predicting the most common class of each place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from m3l_core.classes import IGNORE
from m3l_core.data.opening import open_samples
from m3l_core.evaluate.floor import Majority


def test_each_place_gets_its_most_common_class() -> None:
    labels = [[[0, 1, 2]], [[0, 2, IGNORE]], [[1, 2, IGNORE]]]
    images = [np.array(image, np.uint8) for image in labels]
    assert Majority(images, 3).labels.tolist() == [[0, 2, 2]]


def test_a_place_without_labels_gets_the_most_common_class_of_all() -> None:
    assert Majority([np.array([[1, 1, 0, IGNORE]], np.uint8)], 2).labels.tolist() == [[1, 1, 0, 1]]


def test_its_score_is_a_mean_iou() -> None:
    majority = Majority([np.array([[0, 0, 1, 1]], np.uint8)], 2)
    # class 0: 2 hits of 3 predicted or true; class 1: 1 of 2
    assert majority.mean_iou([np.array([[0, 0, 0, 1]], np.uint8)]) == pytest.approx(
        100 * (2 / 3 + 1 / 2) / 2
    )


def test_labels_of_another_size_are_fitted() -> None:
    small, large = np.array([[0, 1]], np.uint8), np.array([[0, 0, 1, 1]] * 2, np.uint8)
    assert Majority([small, large], 2).mean_iou([large, small]) == 100


def test_void_alone_has_no_score() -> None:
    void = np.full((2, 2), IGNORE, np.uint8)
    assert np.isnan(Majority([void], 2).mean_iou([void]))


@pytest.mark.slow
def test_of_the_real_validation_set_it_is_what_was_measured(data_folder: Path) -> None:
    train, val = (open_samples(data_folder / 'nyuv2', split) for split in ('train', 'val'))
    majority = Majority((sample.labels for sample in train.once()), 13)
    assert majority.mean_iou(sample.labels for sample in val.once()) == pytest.approx(6.4, abs=0.1)
