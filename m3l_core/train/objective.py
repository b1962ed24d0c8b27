"""The losses, as functions of tensors.

Dimensions: M modalities, B images, K classes, h x w a quarter of the input, H x W the input.
"""

from __future__ import annotations

import torch
from torch import Tensor
import torch.nn.functional as F

from m3l_core.classes import IGNORE


def supervised_loss(streams: Tensor, ensemble: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Return the mean cross-entropy of the streams' and the ensemble's predictions.

    It is taken at half the labels' size, which costs a quarter; logits are at a quarter anyway.
    Labels without any class give 0.

    Args:
        streams: Logits `(M, B, K, h, w)`.
        ensemble: Logits `(B, K, h, w)`; unlike the paper's not detached, so it trains too.
        labels: `(B, H, W)` uint8 class indices, 255 where there is none.
        weights: `(K,)`, how much a pixel of each class counts.
    """
    predictions = torch.cat([streams, ensemble[None]])
    rows, columns = (_every_other(length, labels.device) for length in labels.shape[-2:])
    logits = F.interpolate(
        predictions.flatten(0, 1).float(),
        (len(rows), len(columns)),
        mode='bilinear',
        align_corners=True,
    )
    target = labels[:, rows[:, None], columns].long().repeat(len(predictions), 1, 1)
    total = F.cross_entropy(logits, target, weights, ignore_index=IGNORE, reduction='sum')
    known = target != IGNORE
    return total / (weights[target * known] * known).sum().clamp(min=1e-6)


def _every_other(length: int, device: torch.device) -> Tensor:
    """Return the indices of half the pixels of a side, from its first to its last."""
    return torch.linspace(0, length - 1, max(2, length // 2), device=device).round().long()


def class_weights(pixels: Tensor) -> Tensor:
    """Return 1/sqrt(frequency) of each class, 1 for an average one, clipped to [0.5, 4].

    Args:
        pixels: `(K,)`, how many pixels of each class the training set has.
    """
    frequency = pixels.double() / pixels.sum()
    return (1 / (len(pixels) * frequency)).sqrt().clamp(0.5, 4).float()


def draw_present(batch_size: int, generator: torch.Generator) -> Tensor:
    """Return which modalities each image keeps, `(B, 2)` bool: both, color or depth, evenly."""
    kept = torch.tensor([[True, True], [True, False], [False, True]])
    return kept[torch.randint(len(kept), (batch_size,), generator=generator)]
