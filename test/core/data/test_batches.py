"""Batches: the same data for the same step, each sample once before one comes again."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from m3l_core.data.batches import Batches  # noqa: E402
from m3l_core.data.samples import Sample  # noqa: E402


class Numbered:
    """Samples whose label is their index, above `first`."""

    frame = 0
    clean_depth = True

    def __init__(self, first: int = 0) -> None:
        self.first = first

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> Sample:
        size = (24, 32)
        return Sample(
            str(index),
            np.full((*size, 3), index, np.uint8),
            np.full(size, 1000, np.uint16),
            np.full(size, self.first + index, np.uint8),
        )


def batches(seed: int = 0) -> Batches:
    return Batches(samples=Numbered(), batch_size=4, size_at=lambda _: (12, 16), seed=seed)


def test_a_resumed_stream_gives_the_same_batches() -> None:
    whole = list(batches().stream(0, 5))
    resumed = list(batches().stream(3, 5))
    for expected, got in zip(whole[3:], resumed, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(expected, got, strict=True))


def test_each_sample_is_seen_once_before_one_comes_again() -> None:
    seen = [
        int(labels[labels != 255].mode().values)
        for batch in batches().stream(0, 3)
        for labels in batch.labels
    ]
    assert sorted(seen[:6]) == sorted(seen[6:12]) == list(range(6))


def test_another_seed_gives_other_batches() -> None:
    assert not torch.equal(batches(0).make(0).rgb, batches(1).make(0).rgb)


def test_rendered_frames_take_their_share_and_fade_out() -> None:
    mixed = Batches(
        samples=Numbered(),
        rendered=Numbered(first=100),
        batch_size=20,
        size_at=lambda _: (12, 16),
        rendered_share_at=lambda step: 0.5 if step < 5 else 0.0,
        seed=0,
    )
    rendered = [
        int(labels[labels != 255].mode().values) >= 100
        for step in range(10)
        for labels in mixed.make(step).labels
    ]
    assert 30 < sum(rendered[:100]) < 70
    assert not any(rendered[100:])


def test_cutmix_shows_two_samples_in_one_view() -> None:
    def classes_in_views(probability: float) -> list[int]:
        cut = Batches(
            samples=Numbered(),
            batch_size=12,
            size_at=lambda _: (24, 32),
            cutmix=probability,
            seed=0,
        )
        views = cut.make(0).labels
        return [len(set(view[view != 255].tolist())) for view in views]

    assert max(classes_in_views(0.0)) == 1
    assert max(classes_in_views(1.0)) == 2
