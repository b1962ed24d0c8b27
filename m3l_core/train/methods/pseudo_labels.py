"""Labels that a network gives, for another one to learn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from m3l_core.train.methods.method import predictions
from m3l_core.train.objective import at_half_size, mean_cross_entropy, upsampled

if TYPE_CHECKING:
    from torch import Tensor

    from m3l_core.network import LinearFusion
    from m3l_core.train.methods.method import Images


@torch.no_grad()
def hard_labels(network: LinearFusion, images: Images, present: Tensor | None = None) -> Tensor:
    """Return the ensemble's most probable class `(B, H/2, W/2)`, at the size of all losses."""
    ensemble = predictions(network, images, present)[-1]
    return upsampled(ensemble, at_half_size(images.labels).shape[-2:]).argmax(1)


def surest_of_each_class(
    probability: Tensor, labels: Tensor, known: Tensor, *, share: float
) -> Tensor:
    """Return which pixels are among the surest of their class, `(B, H, W)` bool.

    Args:
        probability: `(B, H, W)`, how sure a network is of its label.
        labels: `(B, H, W)`, its labels.
        known: `(B, H, W)` bool, the pixels that count.
        share: Of the pixels of each class in the whole batch.
    """
    surest = torch.zeros_like(known)
    for index in labels[known].unique():
        of_class = known & (labels == index)
        surest |= of_class & (probability >= probability[of_class].quantile(1 - share))
    return surest


def consistency(predicted: Tensor, target: Tensor) -> Tensor:
    """Return the mean cross-entropy of all predictions against a network's labels.

    Args:
        predicted: Logits `(P, B, K, h, w)`.
        target: `(B, H/2, W/2)`, of every pixel: void and padding are among them, as in M3L.
    """
    logits = upsampled(predicted.flatten(0, 1), target.shape[-2:])
    return mean_cross_entropy(logits, target.repeat(len(predicted), 1, 1))
