"""Scores of an engine that answers as told, on images whose labels are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
import pytest

from m3l_core.classes import ClassSet, IGNORE
from m3l_core.data.samples import Sample
from m3l_core.errors import ModelError
from m3l_core.evaluate.scoring import AS_RECORDED, evaluate
from m3l_core.model_card import ModelCard
from m3l_core.runtime.segmenter import Segmenter


class ByMode:
    """An engine that labels everything with one class, chosen by what it is given.

    0 with both images, 1 with color alone, 2 with depth alone, always with confidence 204/255;
    holes in depth become class 3.
    """

    backend, precision = 'fake', 'float32'

    def __init__(self, card: ModelCard) -> None:
        self.card = card

    def run(
        self,
        rgb: NDArray[np.uint8],
        depth: NDArray[np.float32],
        present: NDArray[np.float32],
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        del rgb
        has_rgb, has_depth = present[0] > 0.5
        labels = np.full(depth.shape, 2 if not has_rgb else 0 if has_depth else 1, np.uint8)
        if has_depth:
            labels[depth == 0] = 3
        return labels, np.full(depth.shape, 204, np.uint8)

    def close(self) -> None:
        pass


def sample(name: str, label: int) -> Sample:
    labels = np.full((64, 96), label, np.uint8)
    labels[:8] = IGNORE
    slope = np.tile(np.linspace(2000, 3000, 96).astype(np.uint16), (64, 1))
    return Sample(name, np.full((64, 96, 3), 90, np.uint8), slope, labels)


@pytest.fixture
def segmenter(tiny_card: ModelCard) -> Segmenter:
    return Segmenter(ByMode(tiny_card))


IMAGES = [sample('1', 0), sample('2', 0), sample('4', 1), sample('7', 2)]


def test_each_condition_is_told_what_is_missing(segmenter: Segmenter) -> None:
    result = evaluate(segmenter, IMAGES, segmenter.engine.card.classes)[AS_RECORDED]
    # The class that is always given has half or a quarter of the pixels; two others have none.
    assert result.mean_iou == pytest.approx(
        {'both': 50 / 3, 'depth_missing': 25 / 3, 'rgb_missing': 25 / 3}
    )
    assert result.mm_robust == pytest.approx(100 / 9)
    assert result.ids == ['1', '2', '4', '7']


def test_calibration_is_of_the_confidence_that_is_published(segmenter: Segmenter) -> None:
    result = evaluate(segmenter, IMAGES, segmenter.engine.card.classes)[AS_RECORDED]
    both = result.summary(0.8)['calibration']['both']
    assert both == pytest.approx({'ece': 0.3, 'coverage': 1, 'accuracy': 0.5})  # 0.8 claimed
    unsure = result.summary(0.81)['calibration']['both']
    assert (unsure['coverage'], unsure['accuracy']) == (0, None)


def test_summary_has_an_interval_around_each_score(segmenter: Segmenter) -> None:
    result = evaluate(
        segmenter, IMAGES, segmenter.engine.card.classes, scenes=['a', 'a', 'b', 'c']
    )[AS_RECORDED]
    numbers = result.to_dict()
    assert set(numbers['intervals']) == {'both', 'depth_missing', 'rgb_missing', 'mm_robust'}
    for name, (low, high) in numbers['intervals'].items():
        assert low <= numbers[name] <= high
    assert numbers['iou']['both']['books'] == 0
    assert numbers['iou']['both']['chair'] is None
    assert np.sum(numbers['confusion']['both']) == 4 * 56 * 96


def test_intervals_draw_the_scenes_that_are_known(segmenter: Segmenter) -> None:
    classes = segmenter.engine.card.classes
    alone = evaluate(segmenter, IMAGES, classes, scenes=['1', '2', '4', '7'])[AS_RECORDED]
    one_room = evaluate(segmenter, IMAGES, classes, scenes=['room'] * 4)[AS_RECORDED]
    assert alone.intervals.keys() == {'both', 'depth_missing', 'rgb_missing', 'mm_robust'}
    assert one_room.intervals == {}
    consecutive = [replace(image, name=f'{i}') for i, image in enumerate(IMAGES)]
    assert evaluate(segmenter, consecutive, classes)[AS_RECORDED].scenes == ('0',) * 4


def test_another_sensor_changes_what_sees_depth_and_nothing_else(segmenter: Segmenter) -> None:
    results = evaluate(
        segmenter, IMAGES, segmenter.engine.card.classes, sensors=['holes', 'noise']
    )
    recorded, holes, noise = (results[name] for name in (AS_RECORDED, 'holes', 'noise'))
    assert holes.mean_iou['both'] < 0.95 * recorded.mean_iou['both']
    assert holes.mean_iou['rgb_missing'] < 0.95 * recorded.mean_iou['rgb_missing']
    assert holes.mean_iou['depth_missing'] == recorded.mean_iou['depth_missing']
    assert noise.mean_iou == recorded.mean_iou


def test_other_classes_are_refused(segmenter: Segmenter, tiny_card: ModelCard) -> None:
    others = ClassSet(tuple(f'c{i}' for i in range(13)), tiny_card.classes.palette)
    with pytest.raises(ModelError, match=r'expected c0, c1, .* data set of its own classes'):
        evaluate(segmenter, IMAGES, others)


def test_labels_are_compared_at_their_own_size(tiny_card: ModelCard) -> None:
    small = Segmenter(ByMode(replace(tiny_card, image_size=(32, 48))))
    result = evaluate(small, IMAGES, tiny_card.classes)[AS_RECORDED]
    assert np.sum(result.scores['both'].matrix.counts) == 4 * 56 * 96
