"""Scores on matrices small enough to check by hand."""

from __future__ import annotations

import numpy as np
import pytest

from m3l_core.metrics import confusion_counts, ConfusionMatrix, mean_iou_of, mm_robust


def test_iou_counts_hits_over_union() -> None:
    matrix = ConfusionMatrix(3)
    truth = np.array([0, 0, 0, 1, 1, 2], np.uint8)
    labels = np.array([0, 0, 1, 1, 1, 0], np.uint8)
    matrix.update(labels, truth)
    # class 0: 2 hits, union 3 true + 1 false; class 1: 2 hits, union 2 + 1; class 2: never hit
    assert matrix.iou() == pytest.approx([50, 200 / 3, 0])
    assert matrix.mean_iou() == pytest.approx((50 + 200 / 3) / 3)
    assert matrix.pixel_accuracy() == pytest.approx(100 * 4 / 6)


def test_void_truth_is_left_out_and_void_predictions_are_misses() -> None:
    matrix = ConfusionMatrix(2)
    matrix.update(np.array([0, 255, 1], np.uint8), np.array([255, 0, 1], np.uint8))
    assert matrix.counts.tolist() == [[0, 0, 1], [0, 1, 0]]
    assert matrix.iou() == pytest.approx([0, 100])


def test_a_class_that_never_occurs_is_not_averaged() -> None:
    matrix = ConfusionMatrix(2)
    matrix.update(np.zeros(4, np.uint8), np.zeros(4, np.uint8))
    assert np.isnan(matrix.iou()[1])
    assert matrix.mean_iou() == 100


def test_an_empty_matrix_has_no_score() -> None:
    assert np.isnan(ConfusionMatrix(2).mean_iou())


def test_images_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r'expected shape \(2, 3\), got \(3, 2\)'):
        ConfusionMatrix(2).update(np.zeros((3, 2), np.uint8), np.zeros((2, 3), np.uint8))


def test_mm_robust_is_the_mean_of_three() -> None:
    assert mm_robust({'both': 40, 'depth_missing': 30, 'rgb_missing': 20}) == 30


def test_counts_of_many_images_are_scored_at_once() -> None:
    truth = np.array([0, 0, 1, 255], np.uint8)
    one = confusion_counts(np.array([0, 1, 1, 0], np.uint8), truth, 2)
    other = confusion_counts(truth, truth, 2)
    scores = mean_iou_of(np.stack([one, other, one + other, 0 * one]))
    assert scores[:3] == pytest.approx([50, 100, 100 * (3 / 4 + 2 / 3) / 2])
    assert np.isnan(scores[3])
    assert ConfusionMatrix.of(one + other).mean_iou() == pytest.approx(scores[2])
