"""How good a deployed network is: one confusion matrix per condition over a whole data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TYPE_CHECKING

import numpy as np

from m3l_core.errors import ModelError
from m3l_core.frames import RgbdFrame
from m3l_core.metrics import CONDITIONS, ConfusionMatrix, mm_robust

if TYPE_CHECKING:
    from collections.abc import Iterable

    from m3l_core.classes import ClassSet
    from m3l_core.data.samples import Sample
    from m3l_core.runtime.segmenter import Segmenter


@dataclass(frozen=True)
class Evaluation:
    """The confusion matrices of a data set with both modalities, and with each missing.

    A missing modality is one whose image the network is told not to have; it then computes
    with its learned mask token.
    """

    classes: ClassSet
    matrices: dict[str, ConfusionMatrix]
    images: int

    @property
    def mean_iou(self) -> dict[str, float]:
        """MIoU in percent of each condition."""
        return {name: matrix.mean_iou() for name, matrix in self.matrices.items()}

    @property
    def mm_robust(self) -> float:
        """Mean of the three conditions' mIoU, in percent."""
        return mm_robust(self.mean_iou)

    def to_dict(self) -> dict[str, Any]:
        """Return every number for JSON; null where a class does not occur."""
        return {
            'images': self.images,
            'mean_iou': self.mean_iou,
            'mm_robust': self.mm_robust,
            'pixel_accuracy': {name: m.pixel_accuracy() for name, m in self.matrices.items()},
            'iou': {
                name: {
                    of_class: None if np.isnan(value) else float(value)
                    for of_class, value in zip(self.classes.names, matrix.iou(), strict=True)
                }
                for name, matrix in self.matrices.items()
            },
            'confusion': {name: m.counts.tolist() for name, m in self.matrices.items()},
        }


def evaluate(segmenter: Segmenter, samples: Iterable[Sample], classes: ClassSet) -> Evaluation:
    """Return the scores of an engine on labelled images, at the size of their labels.

    Args:
        segmenter: The engine, as a robot runs it.
        samples: The data set.
        classes: What the labels of `samples` mean.

    Raises:
        ModelError: If the network tells other classes apart.
    """
    trained = segmenter.engine.card.classes
    if trained.names != classes.names:
        raise ModelError(
            f'model: labels {", ".join(trained.names)}; expected {", ".join(classes.names)}. '
            'Evaluate it on a data set of its own classes.'
        )
    matrices = {name: ConfusionMatrix(len(classes)) for name in CONDITIONS}
    images = 0
    for sample in samples:
        images += 1
        for name, (has_rgb, has_depth) in CONDITIONS.items():
            frame = RgbdFrame(
                sample.rgb if has_rgb else None, sample.depth_m if has_depth else None
            )
            matrices[name].update(segmenter.segment(frame).labels, sample.labels)
    return Evaluation(classes, matrices, images)
