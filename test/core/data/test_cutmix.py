"""CutMix: one rectangle, the same in color, depth and labels."""

from __future__ import annotations

import numpy as np

from m3l_core.data.augment import View
from m3l_core.data.cutmix import cutmix


def views(count: int = 4) -> list[View]:
    """Views of which every image tells its number."""
    size = (24, 32)
    return [
        View(
            np.full((*size, 3), number, np.uint8),
            np.full(size, number, np.float32),
            np.full(size, number, np.uint8),
        )
        for number in range(1, count + 1)
    ]


def test_a_rectangle_of_the_view_before_moves_in_whole() -> None:
    for seed in range(20):
        mixed = cutmix(views(), np.random.default_rng(seed), 1.0)
        for number, view in enumerate(mixed, start=1):
            pasted = view.labels != number
            assert set(view.labels[pasted]) == {number - 1 or 4}
            rows, columns = pasted.any(axis=1), pasted.any(axis=0)
            assert pasted.sum() == rows.sum() * columns.sum()
            assert 0.05 < pasted.mean() < 0.6
            np.testing.assert_array_equal(view.depth_m, view.labels)
            np.testing.assert_array_equal(view.rgb[..., 1], view.labels)


def test_probability_zero_mixes_nothing() -> None:
    for view, mixed in zip(views(), cutmix(views(), np.random.default_rng(0), 0), strict=True):
        np.testing.assert_array_equal(view.labels, mixed.labels)


def test_the_views_given_are_left_alone() -> None:
    given = views()
    cutmix(given, np.random.default_rng(0), 1.0)
    assert [set(np.unique(view.labels)) for view in given] == [{1}, {2}, {3}, {4}]
