"""Inputs with missing and noisy values, as benchmarks of robustness define them.

Liao et al., "Benchmarking Multi-modal Semantic Segmentation under Sensor Failures" (CVPR
workshops 2025, arXiv 2503.18445): RMM, random missing, and NM, noise. Both act on the normalized
images that the network gets, on color and depth alike, value by value.

Dimensions: B images, h x w the network's size.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Generator, Tensor

    Corruption = Callable[[Tensor, Generator], Tensor]


def random_missing(image: Tensor, generator: Generator, *, share: float) -> Tensor:
    """Return `image` `(B, 3, h, w)` with each value 0 with probability `share`."""
    return image * (torch.rand(image.shape, generator=generator) >= share).to(image)


def noisy(image: Tensor, generator: Generator, *, share: float, deviation: float) -> Tensor:
    """Return `image` `(B, 3, h, w)` with Gaussian noise, then with salt and pepper.

    Salt and pepper are the extremes of `image` itself, as it is without the Gaussian noise.

    Args:
        image: Normalized.
        generator: Of CPU tensors, so that every device sees the same noise.
        share: Probability that a value becomes the image's largest or, as often, its smallest.
        deviation: Standard deviation of the Gaussian noise.
    """
    normal = torch.randn(image.shape, generator=generator).to(image)
    chance = torch.rand(image.shape, generator=generator).to(image.device)
    result = image + deviation * normal
    result = torch.where(chance < share / 2, image.amin((1, 2, 3), keepdim=True), result)
    return torch.where(chance >= 1 - share / 2, image.amax((1, 2, 3), keepdim=True), result)


CORRUPTIONS: dict[str, Corruption] = {
    **{f'RMM {share:g}': partial(random_missing, share=share) for share in (0.25, 0.5, 0.75)},
    **{
        f'NM {share:g} + {deviation:g}': partial(noisy, share=share, deviation=deviation)
        for share, deviation in ((0.05, 0.1), (0.1, 0.2), (0.2, 0.5))
    },
}
"""By name: RMM and its share; NM, its share of salt and pepper and its standard deviation, in an
order that is not that in which they act: see `noisy`."""
