"""The losses, as functions of tensors.

Dimensions: P predictions (of color, depth and both), M modalities, B images, K classes, h x w a
quarter of the input, H x W the input. Every mean is over all processes that train together.
"""

from __future__ import annotations

import torch
from torch import Tensor
import torch.nn.functional as F

from m3l_core.classes import IGNORE
from m3l_core.errors import DataError
from m3l_core.train.parallel import all_sum, own_part, world_size


def supervised_loss(predictions: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Return the mean cross-entropy of all predictions.

    It is taken at half the labels' size, which costs a quarter; logits are at a quarter anyway.
    Labels without any class give 0.

    Args:
        predictions: Logits `(P, B, K, h, w)`.
        labels: `(B, H, W)` uint8 class indices, 255 where there is none.
        weights: `(K,)`, how much a pixel of each class counts.
    """
    target = at_half_size(labels).long().repeat(len(predictions), 1, 1)
    logits = upsampled(predictions.flatten(0, 1), target.shape[-2:])
    total = F.cross_entropy(logits, target, weights, ignore_index=IGNORE, reduction='sum')
    known = target != IGNORE
    return total / all_sum((weights[target * known] * known).sum()).clamp(min=1e-6)


def trusted_loss(predictions: Tensor, labels: Tensor, trust: Tensor, weights: Tensor) -> Tensor:
    """Return the cross-entropy of all predictions at trusted pixels, divided by all pixels.

    Few trusted ones thus give a small loss, as in FixMatch (Sohn et al., NeurIPS 2020).

    Args:
        predictions: Logits `(P, B, K, h, w)`.
        labels: `(B, h2, w2)` class indices at any size, 255 where no pixel of an image is.
        trust: `(B, h2, w2)` bool.
        weights: `(K,)`, how much a pixel of each class counts.
    """
    logits = upsampled(predictions.flatten(0, 1), labels.shape[-2:])
    trusted = torch.where(trust, labels, IGNORE).repeat(len(predictions), 1, 1)
    total = F.cross_entropy(logits, trusted, weights, ignore_index=IGNORE, reduction='sum')
    known = labels != IGNORE
    every = (weights[labels * known] * known).sum()
    return total / all_sum(len(predictions) * every).clamp(min=1e-6)


def ohem_loss(
    logits: Tensor, labels: Tensor, *, least_kept: int, threshold: float = 0.7
) -> Tensor:
    """Return the mean cross-entropy of the hard pixels (Shrivastava et al., CVPR 2016).

    Kept are pixels whose true class has a probability of at most `threshold`, or that of the
    `least_kept`-th hardest pixel if that is more. With fewer labeled pixels, or with 0 to be
    kept, all count. Several processes pick from their own images.

    Args:
        logits: `(B, K, H, W)`.
        labels: `(B, H, W)` class indices, 255 where there is none.
        least_kept: How many pixels to keep of those in the batch.
        threshold: Probability up to which a pixel is hard.
    """
    pixels = F.cross_entropy(logits.float(), labels.long(), ignore_index=IGNORE, reduction='none')
    losses = pixels[labels != IGNORE]
    if 0 < least_kept <= len(losses):
        probability = (-losses.detach()).exp()
        hardest = torch.kthvalue(probability, least_kept).values.clamp(min=threshold)
        losses = losses[probability <= hardest]
    kept = all_sum(torch.tensor(float(len(losses)), device=losses.device))
    return losses.sum() / kept.clamp(min=1)


def mean_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross-entropy over every pixel, padding included.

    Args:
        logits: `(B, K, H, W)`.
        labels: `(B, H, W)` class indices.
    """
    return F.cross_entropy(logits.float(), labels.long()) / world_size()


def upsampled(logits: Tensor, size: tuple[int, ...] | torch.Size) -> Tensor:
    """Return logits `(B, K, h, w)` as float32 at `size`."""
    return F.interpolate(logits.float(), tuple(size), mode='bilinear', align_corners=True)


def at_half_size(labels: Tensor) -> Tensor:
    """Return every other pixel of `(B, H, W)`, from the first to the last of each side."""
    rows, columns = (_every_other(length, labels.device) for length in labels.shape[-2:])
    return labels[:, rows[:, None], columns]


def _every_other(length: int, device: torch.device) -> Tensor:
    return torch.linspace(0, length - 1, max(2, length // 2), device=device).round().long()


def class_weights(pixels: Tensor) -> Tensor:
    """Return 1/sqrt(frequency) of each class, 1 for an average one, clipped to [0.5, 4].

    Args:
        pixels: `(K,)`, how many pixels of each class the training set has.

    Raises:
        DataError: If it has none of any class.
    """
    if not pixels.any():
        raise DataError('labels: no pixel has a class. Label some images, or check card.yaml.')
    frequency = pixels.double() / pixels.sum()
    return (1 / (len(pixels) * frequency)).sqrt().clamp(0.5, 4).float()


def draw_present(batch_size: int, generator: torch.Generator) -> Tensor:
    """Return which modalities each image keeps, `(B, 2)` bool: both, color or depth, evenly.

    Processes that train together draw for all and keep their own.
    """
    kept = torch.tensor([[True, True], [True, False], [False, True]])
    drawn = torch.randint(len(kept), (world_size() * batch_size,), generator=generator)
    return kept[own_part(drawn)]
