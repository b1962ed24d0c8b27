"""Which images keep their labels: nested, spread over scenes, every class in three of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import cv2
from labeled_images import SIZE, write_frame
import numpy as np
import pytest

from m3l_core.data.few_labels import few_labels, labeling_order, shown_classes
from m3l_core.data.folder import Folder
from m3l_core.data.opening import open_samples
from m3l_core.data.samples import Samples
from m3l_core.data.scenes import scenes_by_name
from m3l_core.data.subset import Subset
from m3l_core.errors import DataError

SCENES = {0: 12, 100: 6, 200: 3, 300: 1}
"""Length of each scene by the number of its first image."""


@pytest.fixture
def rooms(tmp_path: Path) -> Folder:
    """22 images of four scenes; of class c only four of them, in the first scene."""
    for first, length in SCENES.items():
        for number in range(first, first + length):
            write_frame(tmp_path, f'{number:04d}', number)
            labels = np.full(SIZE, number % 2, np.uint8)
            if 2 <= number <= 5:
                labels[:10] = 2
            assert cv2.imwrite(str(tmp_path / f'labels/{number:04d}.png'), labels)
    (tmp_path / 'card.yaml').write_text('classes: [a, b, c]')
    return Folder(tmp_path)


def images_with(samples: Samples, indices: list[int], label: int) -> int:
    return sum(bool((samples[i].labels == label).any()) for i in indices)


@pytest.mark.parametrize('seed', range(5))
def test_fewer_labels_are_among_more_and_nothing_is_lost(rooms: Folder, seed: int) -> None:
    smaller: list[int] = []
    for count in (8, 11, 22):
        chosen, rest = few_labels(rooms, count, seed=seed)
        assert chosen[: len(smaller)] == smaller
        assert sorted(chosen + rest) == list(range(22))
        assert len(chosen) == count
        smaller = chosen


@pytest.mark.parametrize('seed', range(5))
def test_every_class_is_in_three_of_the_images(rooms: Folder, seed: int) -> None:
    chosen, _ = few_labels(rooms, 7, seed=seed)
    assert all(images_with(rooms, chosen, label) >= 3 for label in range(3))


def test_a_class_in_fewer_images_is_in_all_of_them(rooms: Folder) -> None:
    for name in ('0002', '0003'):
        cv2.imwrite(str(rooms.root / f'labels/{name}.png'), np.zeros(SIZE, np.uint8))
    chosen, _ = few_labels(rooms, 8, seed=0)
    assert {'0004', '0005'} <= {rooms.ids[i] for i in chosen}


def test_a_speck_of_a_class_does_not_count_where_others_show_more(rooms: Folder) -> None:
    for name in ('0100', '0101', '0102', '0103', '0104', '0105'):
        labels = np.zeros((100, 100), np.uint8)
        labels[0, 0] = 2
        cv2.imwrite(str(rooms.root / f'labels/{name}.png'), labels)
    chosen, _ = few_labels(rooms, 7, seed=0)
    whole = [i for i in chosen if '0002' <= rooms.ids[i] <= '0005']
    assert len(whole) >= 3


@pytest.mark.parametrize('seed', range(5))
def test_images_are_spread_over_the_scenes(rooms: Folder, seed: int) -> None:
    chosen, _ = few_labels(rooms, 14, seed=seed)
    taken = Counter(rooms.scenes[i] for i in chosen)
    assert set(taken) == {'0000', '0100', '0200', '0300'}
    assert taken['0200'] == 3  # three of each by the time the larger ones have more
    assert taken['0100'] >= 4


@pytest.mark.parametrize('seed', range(5))
def test_scenes_that_show_the_classes_wait_for_the_others(rooms: Folder, seed: int) -> None:
    shown = shown_classes(rooms)
    shown[:, :2] = True
    order, needed = labeling_order(rooms, shown, seed=seed)
    scenes = [rooms.scenes[i] for i in order]
    assert scenes[:needed] == ['0000'] * 3  # for class c alone
    assert set(scenes[3:6]) == {'0100', '0200', '0300'}


def test_within_a_scene_neighbors_come_late(tmp_path: Path) -> None:
    for number in range(40):
        write_frame(tmp_path, f'{number:02d}', number)
    (tmp_path / 'card.yaml').write_text('classes: [a, b, c]')  # every image shows all of them
    chosen, _ = few_labels(Folder(tmp_path), 8, seed=3)
    gaps = np.diff(sorted(chosen))
    assert gaps.min() >= 2
    assert gaps.max() <= 10


def test_another_seed_chooses_others(rooms: Folder) -> None:
    assert few_labels(rooms, 9, seed=0) == few_labels(rooms, 9, seed=0)
    assert few_labels(rooms, 9, seed=0) != few_labels(rooms, 9, seed=1)


@pytest.mark.parametrize('count', [2, 23])
def test_a_count_that_cannot_be_is_refused_with_the_limits(rooms: Folder, count: int) -> None:
    with pytest.raises(DataError, match=rf'expected [3-7] to 22 images with labels, got {count}'):
        few_labels(rooms, count, seed=0)


def test_a_run_of_numbers_is_a_scene() -> None:
    names = ['0003', '0004', '0006', 'b_2', 'b_1', 'hall']
    assert scenes_by_name(names) == ('0003', '0003', '0006', 'b_1', 'b_1', 'hall')


def test_a_pause_between_stamps_ends_a_scene() -> None:
    stamps = [0, 33, 67, 100, 133, 5000, 5033]
    scenes = scenes_by_name([f'bag_{1_000_000_000 + stamp}' for stamp in stamps])
    assert scenes == ('bag_1000000000',) * 5 + ('bag_1000005000',) * 2


def test_the_choice_is_the_same_on_every_machine(rooms: Folder) -> None:
    chosen, _ = few_labels(rooms, 9, seed=0)
    assert [rooms.ids[i] for i in chosen] == [
        '0005',
        '0003',
        '0002',
        '0103',
        '0010',
        '0300',
        '0200',
        '0202',
        '0101',
    ]


def test_a_subset_is_a_view_of_the_samples(rooms: Folder) -> None:
    part = Subset(rooms, [5, 2])
    assert (len(part), part.ids, part.classes) == (2, (rooms.ids[5], rooms.ids[2]), rooms.classes)
    assert part.scenes == (rooms.scenes[5], rooms.scenes[2])
    assert part[1] is rooms[2]
    assert [sample.name for sample in part.once()] == list(part.ids)


def test_a_subset_without_labels_shows_none(rooms: Folder) -> None:
    part = Subset(rooms, [3], labeled=False)
    assert (part[0].labels == 255).all()
    assert all((labels == 255).all() for labels in part.labels_once())
    assert part[0].rgb is rooms[3].rgb
    assert (rooms[3].labels != 255).all()


def test_the_labels_of_nyuv2_are_chosen_as_the_protocol_says(data_folder: Path) -> None:
    samples = open_samples(data_folder / 'nyuv2', 'train')
    shown = np.stack([np.bincount(x.ravel(), minlength=256) for x in samples.labels_once()]) > 0
    smaller: set[int] = set()
    for count in (50, 99, 199):
        chosen, rest = few_labels(samples, count, seed=1)
        assert (len(chosen), len(rest)) == (count, 672 - count)
        assert smaller < set(chosen)
        assert shown[chosen][:, :13].sum(axis=0).min() >= 3
        assert len({samples.scenes[i] for i in chosen}) >= min(count, 100)
        smaller = set(chosen)
