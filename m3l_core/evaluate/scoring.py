"""One confusion matrix per condition over a whole data set, as a robot would run the network."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TYPE_CHECKING

import numpy as np

from m3l_core.data.degrade import degraded
from m3l_core.data.scenes import scenes_by_name
from m3l_core.errors import ModelError
from m3l_core.evaluate.intervals import blocks_of, mean_iou_intervals
from m3l_core.frames import RgbdFrame
from m3l_core.metrics import (
    CONDITIONS,
    confusion_counts,
    ConfusionMatrix,
    expected_mean_iou,
    FAILURE_PROBABILITIES,
    mm_robust,
)
from m3l_core.reliability import MIN_CONFIDENCE, Reliability

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from m3l_core.classes import ClassSet
    from m3l_core.data.samples import Sample
    from m3l_core.evaluate.conventions import Convention
    from m3l_core.evaluate.intervals import Interval
    from m3l_core.runtime.segmenter import Segmentation, Segmenter

AS_RECORDED = 'as recorded'
"""Name of the sensor that changes nothing."""

WELL_KNOWN = 5.0
"""IoU in percent above which a class counts as one that the network knows."""


@dataclass
class Scores:
    """What was counted in one condition, image by image."""

    counts: list[NDArray[np.int64]] = field(default_factory=list)
    """Confusion counts `(K, K + 1)` of each image."""
    reliability: Reliability = field(default_factory=Reliability)

    def add(self, result: Segmentation, truth: NDArray[np.uint8], num_classes: int) -> None:
        """Count one image."""
        self.counts.append(confusion_counts(result.labels, truth, num_classes))
        self.reliability.update(result.labels, result.confidence, truth)

    @cached_property
    def matrix(self) -> ConfusionMatrix:
        """The counts of all images."""
        return ConfusionMatrix.of(np.sum(self.counts, axis=0))


@dataclass(frozen=True)
class Evaluation:
    """The scores of a data set with both modalities, and with each missing.

    What the network is given for a missing image is a matter of convention, see `conventions`;
    engines tell it that there is none.
    """

    classes: ClassSet
    scores: dict[str, Scores]
    ids: list[str]
    scenes: Sequence[str]
    """Of each image; those of one scene are drawn together for the intervals."""

    @property
    def mean_iou(self) -> dict[str, float]:
        """MIoU in percent of each condition."""
        return {name: scores.matrix.mean_iou() for name, scores in self.scores.items()}

    @property
    def mm_robust(self) -> float:
        """Mean of the three conditions' mIoU, in percent."""
        return mm_robust(self.mean_iou)

    @property
    def expected(self) -> dict[str, float]:
        """The mIoU in percent to expect if each modality fails with a probability."""
        return {f'{p:g}': expected_mean_iou(self.mean_iou, p) for p in FAILURE_PROBABILITIES}

    @cached_property
    def intervals(self) -> dict[str, Interval]:
        """The 95 % interval of each condition's mIoU and of `mm_robust`; see `intervals`."""
        counts = {name: np.stack(scores.counts) for name, scores in self.scores.items()}
        return mean_iou_intervals(counts, blocks_of(self.scenes))

    def summary(self, min_confidence: float = MIN_CONFIDENCE) -> dict[str, Any]:
        """Return the numbers that belong in a card: percent, but for calibration's shares.

        Accuracy is None where no pixel reaches `min_confidence`.
        """
        calibration = {}
        for name, scores in self.scores.items():
            coverage, accuracy = scores.reliability.selected(min_confidence)
            error = scores.reliability.expected_calibration_error()
            calibration[name] = {
                'ece': error,
                'coverage': coverage,
                'accuracy': None if np.isnan(accuracy) else accuracy,
            }
        return {
            **self.mean_iou,
            'mm_robust': self.mm_robust,
            'expected': self.expected,
            'intervals': {name: list(ends) for name, ends in self.intervals.items()},
            'calibration': calibration,
            'min_confidence': min_confidence,
            'images': len(self.ids),
        }

    def to_dict(self, min_confidence: float = MIN_CONFIDENCE) -> dict[str, Any]:
        """Return every number for JSON; null where a class does not occur."""
        matrices = {name: scores.matrix for name, scores in self.scores.items()}
        return self.summary(min_confidence) | {
            'pixel_accuracy': {name: m.pixel_accuracy() for name, m in matrices.items()},
            'iou': {
                name: {
                    of_class: None if np.isnan(value) else float(value)
                    for of_class, value in zip(self.classes.names, matrix.iou(), strict=True)
                }
                for name, matrix in matrices.items()
            },
            'confusion': {name: m.counts.tolist() for name, m in matrices.items()},
        }


@dataclass
class Robustness:
    """What was scored beside the three conditions of one convention; empty if not asked for."""

    conventions: dict[Convention, Evaluation] = field(default_factory=dict)
    corruptions: dict[str, Scores] = field(default_factory=dict)
    """By the names of `corruptions.CORRUPTIONS`, with both images given."""

    def summary(self) -> dict[str, Any]:
        """Return the mIoU in percent of each, for a card or JSON."""
        conventions = {
            str(convention): result.mean_iou | {'mm_robust': result.mm_robust}
            for convention, result in self.conventions.items()
        }
        corruptions = {name: s.matrix.mean_iou() for name, s in self.corruptions.items()}
        numbers = {'conventions': conventions, 'corruptions': corruptions}
        return {name: values for name, values in numbers.items() if values}


def numbers_of(
    results: Mapping[str, Evaluation],
    robustness: Robustness,
    min_confidence: float = MIN_CONFIDENCE,
    *,
    every: bool = False,
) -> dict[str, Any]:
    """Return the numbers of `evaluate`, of other sensors under `degraded`, and of `robustness`.

    Args:
        results: From `evaluate`.
        robustness: What else was scored.
        min_confidence: For coverage and accuracy.
        every: Whether to return every number, as for JSON, or those that belong in a card.
    """
    numbers = {
        name: result.to_dict(min_confidence) if every else result.summary(min_confidence)
        for name, result in results.items()
    }
    return numbers.pop(AS_RECORDED) | {'degraded': numbers} | robustness.summary()


def evaluate(
    segmenter: Segmenter,
    samples: Iterable[Sample],
    classes: ClassSet,
    *,
    scenes: Sequence[str] = (),
    sensors: Sequence[str] = (),
) -> dict[str, Evaluation]:
    """Return the scores of an engine on labeled images, at the size of their labels.

    Args:
        segmenter: The engine, as a robot runs it.
        samples: The data set.
        classes: What the labels of `samples` mean.
        scenes: The scene of each sample; if there are none given, their names tell.
        sensors: Names of other depth sensors, from `degrade.SENSORS`, to score as well.

    Returns:
        The evaluation of `AS_RECORDED` and of each sensor, by name.

    Raises:
        ModelError: If the network tells other classes apart.
    """
    trained = segmenter.engine.card.classes
    if trained.names != classes.names:
        raise ModelError(
            f'model: labels {", ".join(trained.names)}; expected {", ".join(classes.names)}. '
            'Evaluate it on a data set of its own classes.'
        )
    scores = {s: {name: Scores() for name in CONDITIONS} for s in (AS_RECORDED, *sensors)}
    for of_sensor in scores.values():  # without depth no sensor makes a difference
        of_sensor['depth_missing'] = scores[AS_RECORDED]['depth_missing']
    ids = []
    for sample in samples:
        ids.append(sample.name)
        for sensor, of_sensor in scores.items():
            _score(segmenter, sample, sensor, of_sensor)
    scenes = scenes or scenes_by_name(ids)
    return {name: Evaluation(classes, of_one, ids, scenes) for name, of_one in scores.items()}


def _score(segmenter: Segmenter, sample: Sample, sensor: str, scores: dict[str, Scores]) -> None:
    """Add one image as a sensor gives it."""
    depth_m = sample.depth_m
    if sensor != AS_RECORDED:
        depth_m = degraded(depth_m, sensor, sample.name)
    for name, (has_rgb, has_depth) in CONDITIONS.items():
        if sensor == AS_RECORDED or has_depth:
            frame = RgbdFrame(sample.rgb if has_rgb else None, depth_m if has_depth else None)
            result = segmenter.segment(frame)
            scores[name].add(result, sample.labels, len(segmenter.engine.card.classes))
