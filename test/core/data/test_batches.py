"""Batches: the same data for the same step, each sample once before one comes again."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from m3l_core.data.batches import Batches, Views  # noqa: E402
from m3l_core.data.samples import Sample  # noqa: E402


class Numbered:
    """Samples whose color and label are their index, above `first`."""

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
            np.full((*size, 3), self.first + index, np.uint8),
            np.full(size, 1000, np.uint16),
            np.full(size, self.first + index, np.uint8),
        )


def batches(seed: int = 0) -> Batches:
    return Batches(samples=Numbered(), batch_size=4, size_at=lambda _: (12, 16), seed=seed)


def with_unlabeled(part: tuple[int, int] = (0, 1), *, pairs_of_views: bool = True) -> Batches:
    return Batches(
        samples=Numbered(),
        unlabeled=(Numbered(first=100), Numbered(first=200)),
        pairs_of_views=pairs_of_views,
        unlabeled_from=2,
        batch_size=4,
        size_at=lambda _: (12, 16),
        seed=0,
        part=part,
    )


def assert_same(expected: Views, got: Views) -> None:
    assert all(torch.equal(a, b) for a, b in zip(expected, got, strict=True))


def test_a_resumed_stream_gives_the_same_batches() -> None:
    whole = list(batches().stream(0, 5))
    resumed = list(batches().stream(3, 5))
    for expected, got in zip(whole[3:], resumed, strict=True):
        assert_same(expected.labeled, got.labeled)


def test_each_sample_is_seen_once_before_one_comes_again() -> None:
    seen = [
        int(labels[labels != 255].mode().values)
        for batch in batches().stream(0, 3)
        for labels in batch.labeled.labels
    ]
    assert sorted(seen[:6]) == sorted(seen[6:12]) == list(range(6))


def test_another_seed_gives_other_batches() -> None:
    assert not torch.equal(batches(0).make(0).labeled.rgb, batches(1).make(0).labeled.rgb)


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
        for labels in mixed.make(step).labeled.labels
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
        views = cut.make(0).labeled.labels
        return [len(set(view[view != 255].tolist())) for view in views]

    assert max(classes_in_views(0.0)) == 1
    assert max(classes_in_views(1.0)) == 2


def test_unlabeled_images_come_from_their_first_step_on_and_hide_their_labels() -> None:
    batches_ = with_unlabeled()
    assert batches_.make(1).unlabeled is None
    batch = batches_.make(2)
    assert set(batch.unlabeled.labels.unique().tolist()) <= {0, 255}
    colors = [
        int(rgb[labels == 0].float().median())
        for step in range(3, 6)
        for rgb, labels in zip(*batches_.make(step).unlabeled[::2], strict=True)
    ]
    assert sorted(colors) == [*range(100, 106), *range(200, 206)]


def test_a_strong_view_shows_what_the_weak_one_shows() -> None:
    batch = with_unlabeled().make(2)
    assert torch.equal(batch.unlabeled.labels, batch.strong.labels)
    assert not torch.equal(batch.unlabeled.rgb, batch.strong.rgb)
    inside = batch.unlabeled.labels == 0
    assert torch.equal(batch.unlabeled.depth_m[inside], torch.ones(int(inside.sum())))
    assert with_unlabeled(pairs_of_views=False).make(2).strong is None


def test_labeled_views_do_not_depend_on_unlabeled_ones() -> None:
    assert_same(batches().make(3).labeled, with_unlabeled().make(3).labeled)


def test_processes_that_share_a_batch_make_its_parts() -> None:
    whole = with_unlabeled().make(2)
    parts = [with_unlabeled((index, 2)).make(2) for index in range(2)]
    for name in ('labeled', 'unlabeled', 'strong'):
        together = zip(*(getattr(part, name) for part in parts), strict=True)
        assert_same(getattr(whole, name), Views(*(torch.cat(pair) for pair in together)))
