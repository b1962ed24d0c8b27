"""Intervals over scenes, not over images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
import pytest

from m3l_core.data.opening import open_samples
from m3l_core.evaluate.intervals import blocks_of, mean_iou_intervals


def counted(*shares_right: float) -> NDArray[np.int64]:
    """Return counts `(N, 2, 3)` of images of 200 pixels, that share of each class right."""
    right = np.rint(100 * np.array(shares_right)).astype(np.int64)
    counts = np.zeros((len(right), 2, 3), np.int64)
    for index in range(2):
        counts[:, index, index] = right
        counts[:, index, 2] = 100 - right
    return counts


def test_a_block_is_a_scene() -> None:
    assert blocks_of(['hall', 'lab', 'lab', 'attic', 'hall']).tolist() == [0, 1, 1, 2, 0]


def test_the_real_lists_have_their_published_scenes(data_folder: Path) -> None:
    root = data_folder / 'nyuv2'
    scenes = {split: open_samples(root, split).scenes for split in ('val', 'test')}
    # Scenes lie one after another there, and are numbered so: intervals stay what they were.
    assert all((np.diff(blocks_of(of_split)) >= 0).all() for of_split in scenes.values())
    numbers = {split: blocks_of(of_split).max() + 1 for split, of_split in scenes.items()}
    assert numbers == {'val': 18, 'test': 124}


def test_interval_of_independent_images_is_that_of_their_mean() -> None:
    generator = np.random.default_rng(1)
    shares = generator.uniform(0.2, 0.8, 400)
    low, high = mean_iou_intervals({'both': counted(*shares)}, np.arange(400))['both']
    error = 1.96 * 100 * shares.std() / np.sqrt(400)
    assert (low, high) == pytest.approx(
        (100 * shares.mean() - error, 100 * shares.mean() + error), abs=0.3
    )


def test_images_of_one_scene_count_as_one_draw() -> None:
    scenes = np.random.default_rng(1).uniform(0.2, 0.8, 40)
    counts = counted(*np.repeat(scenes, 10))
    alone = mean_iou_intervals({'both': counts}, np.arange(400))['both']
    blocked = mean_iou_intervals({'both': counts}, np.repeat(np.arange(40), 10))['both']
    assert np.ptp(blocked) / np.ptp(alone) == pytest.approx(np.sqrt(10), rel=0.15)


def test_conditions_are_drawn_together() -> None:
    shares = np.random.default_rng(1).uniform(0.2, 0.8, 50)
    opposed = {'a': counted(*shares), 'b': counted(*(1 - shares))}
    intervals = mean_iou_intervals(opposed, np.arange(50))
    assert np.ptp(intervals['a']) > 5
    assert np.ptp(intervals['mm_robust']) < 0.01  # what one gains the other loses


def test_one_block_gives_no_interval() -> None:
    assert mean_iou_intervals({'both': counted(0.5, 0.6)}, np.zeros(2, np.int64)) == {}
