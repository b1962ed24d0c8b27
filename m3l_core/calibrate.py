"""How much each stream counts in each mode, and how sure the network is: fitted on images.

Done after training, on images the network has not learned from. The weights are chosen by mIoU
and change the labels; the temperature then brings confidence closest to the truth (least negative
log-likelihood) and changes no label. Dimensions: M = 2 streams, K classes, P pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
import math
from typing import NamedTuple, TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from m3l_core.errors import DataError, ModelError
from m3l_core.metrics import CONDITIONS, confusion_counts, ConfusionMatrix, mm_robust
from m3l_core.model_card import Calibration, ModeCalibration
from m3l_core.network.inputs import InputEncoder
from m3l_core.preprocess import Letterbox
from m3l_core.reliability import Reliability

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from torch import Tensor

    from m3l_core.data.samples import Sample
    from m3l_core.model_card import ModelCard
    from m3l_core.network import LinearFusion

SHARES = tuple(round(0.05 * step, 2) for step in range(21))
"""Weights of the color stream to choose from."""

_PIXELS = 2000
"""Of each image, for the temperature; one number needs no more."""

_COLDEST, _HOTTEST = 0.1, 10.0
"""Between which temperatures the best is sought."""

_GOLDEN = (math.sqrt(5) - 1) / 2


class Fitted(NamedTuple):
    """The calibration of one mode, and what it changes on the images it was fitted on."""

    before: ModeCalibration
    after: ModeCalibration
    mean_iou: tuple[float, float]
    """In percent, before and after."""
    calibration_error: tuple[float, float]
    """In [0, 1], before and after."""


@torch.inference_mode()
def fit(model: LinearFusion, card: ModelCard, samples: Iterable[Sample]) -> dict[str, Fitted]:
    """Return the best calibration of each mode.

    Labels are compared at the card's image size, which is theirs for NYUv2; other images are
    fitted into it as an engine does.

    Args:
        model: The network, plain, in float32.
        card: What it is.
        samples: Images it was not trained on.

    Raises:
        DataError: If no pixel of them has a class.
        ModelError: If the network has a single stream.
    """
    if model.architecture.modalities == 1:
        raise ModelError(
            f'{card.name}: has a stream for {model.architecture.fusion} alone, so nothing to '
            'weigh. Calibrate a network that has both.'
        )
    encoder = InputEncoder(card)
    present = torch.tensor(list(CONDITIONS.values()))
    modes = {name: _Mode(before) for name, before in _before(model, card).items()}
    generator = np.random.default_rng(0)
    for sample in samples:
        rgb, depth_m, truth = _fitted_into(sample, card)
        color, depth = encoder(rgb[None], depth_m[None])
        streams = model.stream_logits(
            color.expand(3, -1, -1, -1), depth.expand(3, -1, -1, -1), present
        )
        for index, mode in enumerate(modes.values()):
            logits = F.interpolate(
                streams[:, index], card.image_size, mode='bilinear', align_corners=True
            )
            known = np.flatnonzero(truth < model.architecture.num_classes)
            if known.size:
                mode.add(logits.flatten(2)[:, :, known], truth[known], generator)
    if not all(mode.truths for mode in modes.values()):
        raise DataError('calibrate: expected pixels with a class, got none. Label images of val.')
    return {name: mode.fitted() for name, mode in modes.items()}


def calibrated(card: ModelCard, fitted: dict[str, Fitted]) -> ModelCard:
    """Return the card with the calibration in it, and with the val scores that it gives."""
    scores = {name: mode.mean_iou[1] for name, mode in fitted.items()}
    card = card.recalibrated(Calibration(**{name: m.after for name, m in fitted.items()}))
    return replace(card, metrics=card.metrics | {'val': scores | {'mm_robust': mm_robust(scores)}})


@dataclass
class _Mode:
    """What was seen in one mode: a confusion matrix for each weight, and some pixels' logits."""

    before: ModeCalibration
    shares: tuple[float, ...] = field(init=False)
    matrices: list[ConfusionMatrix] = field(default_factory=list)
    logits: list[Tensor] = field(default_factory=list)
    truths: list[NDArray[np.uint8]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.shares = (self.before.rgb_share, *SHARES)

    def add(
        self, logits: Tensor, truth: NDArray[np.uint8], generator: np.random.Generator
    ) -> None:
        """Count one image: logits `(M, K, P)` of its pixels with a true class."""
        classes = logits.shape[1]
        self.matrices = self.matrices or [ConfusionMatrix(classes) for _ in self.shares]
        color, depth = logits.argmax(1).to(torch.uint8).numpy()
        # Where the streams agree, so does every mean of them: most pixels are counted once.
        differ = np.flatnonzero(color != depth)
        agreed = confusion_counts(np.delete(color, differ), np.delete(truth, differ), classes)
        of_color, of_depth = logits[:, :, differ]
        for share, matrix in zip(self.shares, self.matrices, strict=True):
            labels = torch.lerp(of_depth, of_color, share).argmax(0).to(torch.uint8).numpy()
            matrix.add(agreed)
            matrix.update(labels, truth[differ])
        chosen = generator.choice(len(truth), min(_PIXELS, len(truth)), replace=False)
        self.logits.append(logits[:, :, chosen].clone())
        self.truths.append(truth[chosen])

    def fitted(self) -> Fitted:
        """Return the best weight and, for it, the best temperature."""
        scores = [matrix.mean_iou() for matrix in self.matrices]
        # Of equal scores the weight closest to an even one: the less special choice.
        best = max(range(len(scores)), key=lambda i: (scores[i], -abs(self.shares[i] - 0.5)))
        logits, truth = torch.cat(self.logits, dim=2), np.concatenate(self.truths)
        mixed = torch.lerp(logits[1], logits[0], self.shares[best])
        after = ModeCalibration(
            rgb_share=self.shares[best], temperature=best_temperature(mixed, truth)
        )
        errors = [_calibration_error(logits, truth, mode) for mode in (self.before, after)]
        return Fitted(self.before, after, (scores[0], scores[best]), (errors[0], errors[1]))


def best_temperature(logits: Tensor, truth: NDArray[np.uint8]) -> float:
    """Return the temperature at which the true classes are the most likely.

    Args:
        logits: `(K, P)`.
        truth: `(P,)` class indices.
    """
    target = torch.from_numpy(truth.astype(np.int64))

    def loss(log_temperature: float) -> float:
        return F.cross_entropy(logits.T / math.exp(log_temperature), target).item()

    # The loss is convex in 1/T, so it has one minimum in log T too: golden-section search.
    low, high = math.log(_COLDEST), math.log(_HOTTEST)
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    of_left, of_right = loss(left), loss(right)
    while high - low > 1e-3:
        if of_left < of_right:
            high, right, of_right = right, left, of_left
            left = high - _GOLDEN * (high - low)
            of_left = loss(left)
        else:
            low, left, of_left = left, right, of_right
            right = low + _GOLDEN * (high - low)
            of_right = loss(right)
    return round(math.exp((low + high) / 2), 3)


def _before(model: LinearFusion, card: ModelCard) -> dict[str, ModeCalibration]:
    """Return what the network does as it is."""
    if card.calibration is not None:
        return {name: getattr(card.calibration, name) for name in CONDITIONS}
    share = float(model.alpha.softmax(0)[0])
    return dict.fromkeys(CONDITIONS, ModeCalibration(rgb_share=share, temperature=1.0))


def _fitted_into(sample: Sample, card: ModelCard) -> tuple[Tensor, Tensor, NDArray[np.uint8]]:
    """Return color, depth in meters and labels `(P,)` at the size an engine would see."""
    box = Letterbox.fit(sample.labels.shape, card.image_size)
    rgb = box.place_rgb(sample.rgb, [255 * mean for mean in card.rgb_mean])
    depth_m = box.place_depth(sample.depth_m)
    return (
        torch.from_numpy(rgb),
        torch.from_numpy(depth_m),
        box.place_labels(sample.labels).ravel(),
    )


def _calibration_error(logits: Tensor, truth: NDArray[np.uint8], mode: ModeCalibration) -> float:
    """Return the expected calibration error of logits `(M, K, P)` under `mode`."""
    mixed = torch.lerp(logits[1], logits[0], mode.rgb_share) / mode.temperature
    probability, labels = mixed.softmax(0).max(0)
    confidence = (probability * 255 + 0.5).to(torch.uint8)
    reliability = Reliability()
    reliability.update(labels.to(torch.uint8).numpy(), confidence.numpy(), truth)
    return reliability.expected_calibration_error()
