"""Gains between two methods: paired by image and seed, uncertain by scene and seed."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
import pytest

from m3l_core.errors import DataError
from m3l_core.evaluate.image_counts import ImageCounts
from m3l_core.evaluate.paired import Paired, paired_interval
from m3l_core.metrics import CONDITIONS

IMAGES = 60


def run(shares: NDArray[np.float64], *, first_id: int = 1) -> ImageCounts:
    """Return a run that gets these shares of 10,000 pixels per class and image right.

    With two classes, and misses that are of no class, the mIoU is the mean share. Every image is
    a scene of its own.
    """
    right = np.rint(10_000 * shares).astype(np.int64)
    counts = np.zeros((len(shares), 2, 3), np.int64)
    for index in range(2):
        counts[:, index, index] = right
        counts[:, index, 2] = 10_000 - right
    ids = tuple(str(first_id + 2 * index) for index in range(len(shares)))
    return ImageCounts(ids, ('wall', 'floor'), dict.fromkeys(CONDITIONS, counts), scenes=ids)


def images(seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).uniform(0.2, 0.6, IMAGES)


def test_a_method_gains_nothing_over_itself() -> None:
    runs = [run(images(seed)) for seed in range(3)]
    for paired in paired_interval(runs, runs).values():
        assert paired == Paired(0.0, (0.0, 0.0, 0.0), (0.0, 0.0), (0.0, 0.0))


def test_gain_and_t_interval_are_those_computed_by_hand() -> None:
    theirs = [run(images()) for _ in range(3)]
    ours = [run(images() + gain) for gain in (0.01, 0.02, 0.06)]
    paired = paired_interval(ours, theirs)['both']
    assert paired.gain == pytest.approx(3.0, abs=0.01)
    assert paired.of_seeds == pytest.approx((1, 2, 6), abs=0.01)
    reach = 4.303 * np.sqrt(7) / np.sqrt(3)  # the gains' variance is ((-2)**2 + 1 + 9) / 2
    assert paired.t_interval == pytest.approx((3 - reach, 3 + reach), abs=0.02)


def test_what_makes_an_image_hard_cancels() -> None:
    generator = np.random.default_rng(1)
    theirs = images()
    ours = theirs + 0.02 + generator.normal(0, 0.01, IMAGES)
    paired = paired_interval([run(ours)], [run(theirs)])['both']
    assert paired.interval is not None
    error = 100 * (ours - theirs).std() / np.sqrt(IMAGES)
    assert paired.interval == pytest.approx(
        (paired.gain - 1.96 * error, paired.gain + 1.96 * error), abs=0.05
    )
    assert paired.t_interval is None


def test_seeds_are_drawn_too() -> None:
    gains = np.array([-0.02, 0.0, 0.08])
    theirs = [run(images()) for _ in gains]
    ours = [run(images() + gain) for gain in gains]
    paired = paired_interval(ours, theirs)['mm_robust']
    # All blocks gain the same, so only seeds are left to chance: the mean of three draws. Its
    # lowest value, -2, has a chance of 1/27 and its highest as much: both lie beyond 2.5 %.
    assert paired.interval == pytest.approx((-2, 8), abs=0.05)


def test_conditions_are_told_apart() -> None:
    ours, theirs = run(images() + 0.03), run(images())
    mixed = replace(ours, counts=ours.counts | {'both': theirs.counts['both']})
    gains = {name: paired.gain for name, paired in paired_interval([mixed], [theirs]).items()}
    assert gains == pytest.approx(
        {'both': 0, 'depth_missing': 3, 'rgb_missing': 3, 'mm_robust': 2}, abs=0.02
    )


@pytest.mark.parametrize(
    ('gains', 'low', 'shown'),
    [
        ((1.5, 1.5, 1.5), 0.1, True),
        ((1.4, 1.5, 1.5), 0.1, False),
        ((9.0, 9.0, 0.0), 0.1, False),
        ((9.0, 9.0, 9.0), 0.0, False),
        ((9.0, 9.0, 9.0), None, False),
    ],
)
def test_shown_needs_size_every_seed_and_certainty(
    gains: tuple[float, ...], low: float | None, shown: bool
) -> None:
    interval = None if low is None else (low, 20.0)
    assert Paired(float(np.mean(gains)), gains, interval, None).is_shown() is shown


def test_one_scene_gives_no_interval() -> None:
    alone = replace(run(images()), scenes=('room',) * IMAGES)
    assert paired_interval([alone], [alone])['both'].interval is None


def test_scenes_that_are_known_to_one_run_hold_for_all() -> None:
    theirs = run(images())
    ours = run(images() + np.random.default_rng(1).normal(0, 0.05, IMAGES))
    rooms = tuple(f'room {index // 10}' for index in range(IMAGES))
    known = paired_interval([replace(ours, scenes=rooms)], [replace(theirs, scenes=rooms)])
    by_name = [replace(counts, scenes=()) for counts in (ours, theirs)]
    assert paired_interval([replace(ours, scenes=rooms)], by_name[1:]) == known
    assert paired_interval(by_name[:1], [replace(theirs, scenes=rooms)]) == known
    assert paired_interval([ours], [theirs]) != known


def test_without_known_scenes_names_tell() -> None:
    numbered = tuple(str(number) for number in range(IMAGES))
    alone = replace(run(images()), ids=numbered, scenes=())
    assert paired_interval([alone], [alone])['both'].interval is None


def test_runs_of_other_images_or_numbers_are_refused() -> None:
    ours, other = run(images()), run(images(), first_id=2)
    with pytest.raises(DataError, match='as many runs of both methods, at least one, got 1 and 2'):
        paired_interval([ours], [ours, ours])
    with pytest.raises(DataError, match='paired interval: expected counts of 60 images from 1 on'):
        paired_interval([ours], [other])
    with pytest.raises(DataError, match='expected counts of both, depth_missing, rgb_missing'):
        paired_interval([ours], [replace(ours, counts={'both': ours.counts['both']})])


def test_images_of_the_same_names_but_other_labels_are_not_compared() -> None:
    ours = run(images())
    other = {name: counts.copy() for name, counts in ours.counts.items()}
    other['both'][4, 0, 0] += 1
    with pytest.raises(DataError, match='expected counts on the same labels, got others of 1'):
        paired_interval([ours], [replace(ours, counts=other)])


def test_intervals_are_those_of_every_draw_of_seeds_and_scenes() -> None:
    ours, theirs = np.random.default_rng(5).uniform(0.2, 0.6, (2, 3, 5))  # 3 seeds, 5 scenes
    scenes = np.array(list(product(range(5), repeat=5)))
    of_seeds = 100 * (ours - theirs)[:, scenes].mean(-1)  # each seed, in each draw of scenes
    gains = of_seeds[list(product(range(3), repeat=3))].mean(1)  # and each draw of seeds
    low, high = np.percentile(gains, [2.5, 97.5])
    found = paired_interval([run(shares) for shares in ours], [run(shares) for shares in theirs])
    error = 0.05 * (high - low)  # as 2,000 are drawn of the 84,375
    assert found['both'].interval == pytest.approx((low, high), abs=error)
    scenes_alone = np.percentile(of_seeds.mean(0), [2.5, 97.5])
    assert abs(scenes_alone - (low, high)).min() > error


def test_counts_come_back_from_their_file(tmp_path: Path) -> None:
    ours = run(images())
    ours.save(tmp_path / 'ours.npz')
    loaded = ImageCounts.load(tmp_path / 'ours.npz')
    assert (loaded.ids, loaded.classes) == (ours.ids, ours.classes)
    assert loaded.scenes == ours.scenes
    for name, counts in ours.counts.items():
        np.testing.assert_array_equal(loaded.counts[name], counts)
        assert loaded.counts[name].dtype == np.int64


def test_counts_of_before_scenes_were_noted_are_read(tmp_path: Path) -> None:
    ours = replace(run(images()), scenes=())
    ours.save(tmp_path / 'old.npz')
    with np.load(tmp_path / 'old.npz') as file:
        assert 'scenes' not in file.files
    assert ImageCounts.load(tmp_path / 'old.npz').scenes == ()


@pytest.mark.parametrize('content', [None, b'', b'PK\x03\x04 cut', b'no counts'])
def test_damaged_files_are_refused_in_one_line(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / 'bad.npz'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r'bad\.npz: cannot be read as counts of images') as error:
        ImageCounts.load(path)
    assert '\n' not in str(error.value)


def test_one_array_and_torn_arrays_are_no_counts(tmp_path: Path) -> None:
    np.save(tmp_path / 'bad.npy', np.zeros(3))
    with pytest.raises(DataError, match=r'bad\.npy: cannot be read as counts of images'):
        ImageCounts.load(tmp_path / 'bad.npy')
    run(images()).save(tmp_path / 'whole.npz')
    data = bytearray((tmp_path / 'whole.npz').read_bytes())
    data[60:90] = bytes(30)  # within the first array, which is compressed
    (tmp_path / 'bad.npz').write_bytes(data)
    with pytest.raises(DataError, match=r'bad\.npz: cannot be read as counts of images'):
        ImageCounts.load(tmp_path / 'bad.npz')


def test_counts_of_another_shape_are_refused(tmp_path: Path) -> None:
    ours = run(images())
    replace(ours, classes=('wall', 'floor', 'bed')).save(tmp_path / 'bad.npz')
    with pytest.raises(
        DataError, match=r'expected counts of shape \(60, 3, 4\), got both \(60, 2'
    ):
        ImageCounts.load(tmp_path / 'bad.npz')


def test_counts_with_scenes_of_some_images_are_refused(tmp_path: Path) -> None:
    replace(run(images()), scenes=('hall', 'lab')).save(tmp_path / 'bad.npz')
    with pytest.raises(DataError, match=r'bad\.npz: expected 60 scenes, got 2\.'):
        ImageCounts.load(tmp_path / 'bad.npz')
