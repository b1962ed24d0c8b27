"""Confidence against the truth, on counts a reader can check."""

from __future__ import annotations

import numpy as np
import pytest

from m3l_core.classes import IGNORE
from m3l_core.reliability import Reliability


def counted(*groups: tuple[int, int, int]) -> Reliability:
    """Return the reliability of groups of (confidence level, pixels, right ones)."""
    reliability = Reliability()
    for level, pixels, right in groups:
        truth = np.zeros(pixels, np.uint8)
        labels = np.ones(pixels, np.uint8)
        labels[:right] = 0
        reliability.update(labels, np.full(pixels, level, np.uint8), truth)
    return reliability


def test_confidence_that_is_right_as_often_as_it_says_has_no_error() -> None:
    reliability = counted((255, 10, 10), (51, 100, 20))
    assert reliability.expected_calibration_error() == pytest.approx(0)


def test_error_is_the_mean_gap_over_pixels() -> None:
    # 30 pixels claim 0.8 and half are right; 10 claim 0.2 and all are right
    reliability = counted((204, 30, 15), (51, 10, 10))
    assert reliability.expected_calibration_error() == pytest.approx((30 * 0.3 + 10 * 0.8) / 40)


def test_gaps_cancel_within_a_bin() -> None:
    # Levels 137 to 153 are the ninth of fifteen bins: half of its pixels are right.
    error = counted((137, 1000, 0), (153, 1000, 1000)).expected_calibration_error()
    assert error == pytest.approx(145 / 255 - 0.5)


def test_gaps_of_two_bins_add_up() -> None:
    error = counted((137, 1000, 0), (154, 1000, 1000)).expected_calibration_error()
    assert error == pytest.approx((137 / 255 + 1 - 154 / 255) / 2)


def test_threshold_keeps_pixels_from_it_on() -> None:
    reliability = counted((128, 10, 9), (127, 30, 3))
    assert reliability.selected(0.5) == (0.25, 0.9)  # 127 / 255 is less than a half
    assert reliability.selected(0.0) == (1.0, 12 / 40)


def test_nothing_kept_has_no_accuracy() -> None:
    coverage, accuracy = counted((100, 5, 5)).selected(0.5)
    assert coverage == 0
    assert np.isnan(accuracy)


def test_void_is_left_out() -> None:
    reliability = Reliability()
    labels = np.zeros(4, np.uint8)
    truth = np.array([0, IGNORE, IGNORE, IGNORE], np.uint8)
    reliability.update(labels, np.full(4, 255, np.uint8), truth)
    assert reliability.expected_calibration_error() == 0


def test_nothing_counted_has_no_error() -> None:
    assert Reliability().expected_calibration_error() == 0
