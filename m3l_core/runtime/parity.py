"""Whether an engine computes the labels that the network it was made from computes.

Labels alone decide. Where the two most probable classes are nearly equal any rounding may swap
them, so half precision is judged on the pixels where float32 is sure, and on mIoU.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TYPE_CHECKING
import zipfile
import zlib

import numpy as np

from m3l_core.errors import EngineError
from m3l_core.frames import meters, RgbdFrame
from m3l_core.metrics import ConfusionMatrix
from m3l_core.runtime.segmenter import Segmenter

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from m3l_core.runtime.engine import Engine

SURE_MARGIN = 0.1
"""Difference of float32's two largest probabilities from which a pixel counts as sure."""

LEAST_AGREEMENT = 0.999
"""Of all pixels, for engines that compute in float32."""

LEAST_SURE_AGREEMENT = 0.995
"""Of the sure pixels, for engines that compute in half precision."""

MOST_MIOU_LOSS = 0.3
"""In points, for engines that compute in half precision, where labels exist."""

MOST_CONFIDENCE_ERROR = 0.02
"""Mean difference of probability; a wrong scale or a lost softmax is far beyond it."""

CONFIDENCE_STEP = 2
"""The parity file has every second pixel of every second row: a quarter of the size will do."""

MODES = {'RGBD': (True, True), 'RGB_ONLY': (True, False), 'DEPTH_ONLY': (False, True)}
"""Which of color and depth are given, by mode."""


class ParityError(EngineError):
    """An engine that computes other labels than the network it was made from."""


def without_missing(frame: RgbdFrame, mode: str) -> RgbdFrame:
    """Return `frame` as it is in `mode`: with both images, or one of them alone."""
    has_rgb, has_depth = MODES[mode]
    return RgbdFrame(frame.rgb if has_rgb else None, frame.depth_m if has_depth else None)


@dataclass
class Agreement:
    """Counts of pixels, over many images of one mode, where an engine gives the same label."""

    num_classes: int
    pixels: int = 0
    same: int = 0
    sure_pixels: int = 0
    sure_same: int = 0
    confusion: ConfusionMatrix = field(init=False)
    expected_confusion: ConfusionMatrix = field(init=False)

    def __post_init__(self) -> None:
        self.confusion = ConfusionMatrix(self.num_classes)
        self.expected_confusion = ConfusionMatrix(self.num_classes)

    def add(
        self,
        labels: NDArray[np.uint8],
        expected: NDArray[np.uint8],
        sure: NDArray[np.bool_],
        truth: NDArray[np.uint8] | None = None,
    ) -> None:
        """Count one image: what the engine says, what float32 says and where that is sure."""
        same = labels == expected
        self.pixels += same.size
        self.same += int(same.sum())
        self.sure_pixels += int(sure.sum())
        self.sure_same += int((same & sure).sum())
        if truth is not None:
            self.confusion.update(labels, truth)
            self.expected_confusion.update(expected, truth)

    @property
    def total(self) -> float:
        """Share of all pixels with the same label."""
        return self.same / self.pixels

    @property
    def sure(self) -> float:
        """Share of the sure pixels with the same label; 1 if there are none."""
        return self.sure_same / self.sure_pixels if self.sure_pixels else 1.0

    @property
    def miou_loss(self) -> float | None:
        """Points of mIoU lost to the engine, None without true labels."""
        loss = self.expected_confusion.mean_iou() - self.confusion.mean_iou()
        return None if np.isnan(loss) else loss

    def problem(self, precision: str) -> str:
        """Return which limit an engine of this precision misses, '' if none."""
        if precision == 'float32':
            if self.total < LEAST_AGREEMENT:
                return f'expected the same label in {LEAST_AGREEMENT:.1%}, got {self.total:.3%}'
            return ''
        if self.sure < LEAST_SURE_AGREEMENT:
            return (
                f'expected the same label in {LEAST_SURE_AGREEMENT:.1%} of the sure pixels, '
                f'got {self.sure:.3%}'
            )
        if (self.miou_loss or 0) > MOST_MIOU_LOSS:
            return f'expected to lose at most {MOST_MIOU_LOSS} mIoU, lost {self.miou_loss:.2f}'
        return ''

    def summary(self) -> dict[str, Any]:
        """Return percentages for the model card."""
        values = {'total': 100 * self.total, 'sure': 100 * self.sure}
        if self.miou_loss is not None:
            values['miou_loss'] = self.miou_loss
        return {name: round(value, 3) for name, value in values.items()}


def expect_agreement(engine: Engine, agreements: Mapping[str, Agreement]) -> None:
    """Check an engine's agreement in each mode against the limits of its precision.

    Raises:
        ParityError: Naming each mode in which it computes other labels.
    """
    problems = [
        f'{mode}: {problem}'
        for mode, agreement in agreements.items()
        if (problem := agreement.problem(engine.precision))
    ]
    if problems:
        raise ParityError(
            f'{engine.backend} {engine.precision}: computes other labels than the network it '
            f'was made from: {"; ".join(problems)}. Do not use it; choose another precision or '
            'backend.'
        )


def check_parity_file(engine: Engine, path: Path) -> dict[str, Agreement]:
    """Run the frames in `NAME.parity.npz` and compare with the labels in it, without torch.

    Raises:
        ParityError: If the engine computes other labels.
        EngineError: If the file is damaged, or the engine fails.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            recorded = dict(archive)
        frames = [
            RgbdFrame(rgb, meters(depth_mm))
            for rgb, depth_mm in zip(recorded['rgb'], recorded['depth_mm'], strict=True)
        ]
        agreements = {mode: _agreement(engine, frames, mode, recorded) for mode in MODES}
    except (OSError, EOFError, ValueError, LookupError, zipfile.BadZipFile, zlib.error) as error:
        # NumPy goes on to recommend loading it unsafely.
        reason = str(error).partition('. ')[0].rstrip('.')
        raise EngineError(
            f'{path}: is missing, damaged or of another model: {reason}. Export the model again.'
        ) from error
    expect_agreement(engine, agreements)
    return agreements


def _agreement(
    engine: Engine, frames: list[RgbdFrame], mode: str, recorded: Mapping[str, NDArray[Any]]
) -> Agreement:
    agreement = Agreement(len(engine.card.classes))
    segmenter = Segmenter(engine)
    errors = []
    for index, frame in enumerate(frames):
        expected = recorded[f'{mode}.labels'][index]
        sure = np.unpackbits(recorded[f'{mode}.sure'][index], count=expected.size)
        result = segmenter.segment(without_missing(frame, mode))
        agreement.add(result.labels, expected, sure.reshape(expected.shape).astype(bool))
        confidence = result.confidence[::CONFIDENCE_STEP, ::CONFIDENCE_STEP].astype(np.float32)
        errors.append(np.abs(confidence - recorded[f'{mode}.confidence'][index]).mean() / 255)
    if np.mean(errors) > MOST_CONFIDENCE_ERROR:
        raise ParityError(
            f'{engine.backend} {engine.precision}: {mode}: confidence is wrong by '
            f'{np.mean(errors):.3f}, expected at most {MOST_CONFIDENCE_ERROR}. Do not use it.'
        )
    return agreement
