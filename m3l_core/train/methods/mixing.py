"""CutMix (Yun et al., ICCV 2019) of images together with what a teacher said of them.

Dimensions: B images, H x W their size, h x w that of the labels.
"""

from __future__ import annotations

import torch
from torch import Tensor
import torch.nn.functional as F

from m3l_core.train.methods.method import Images
from m3l_core.train.parallel import own_part, world_size


def random_rectangles(
    count: int, size: tuple[int, ...] | torch.Size, generator: torch.Generator
) -> Tensor:
    """Return masks `(B, h, w)` bool, each true in a rectangle of a tenth to half of the image.

    Half of them are empty. Processes that train together draw for all and keep their own.
    """
    height, width = size
    drawn = torch.rand(world_size() * count, 5, 1, 1, generator=generator)
    share, shape, top, left, chance = own_part(drawn).unbind(1)
    area = 0.1 + 0.4 * share
    shape = 2 ** (shape - 0.5)
    tall, wide = (area.sqrt() * shape).clamp(max=1), (area.sqrt() / shape).clamp(max=1)
    y = (torch.arange(height)[:, None] + 0.5) / height - top * (1 - tall)
    x = (torch.arange(width) + 0.5) / width - left * (1 - wide)
    inside = (y >= 0) & (y < tall) & (x >= 0) & (x < wide)
    masks: Tensor = inside & (chance < 0.5)
    return masks


def mixed(
    images: Images, labels: Tensor, trust: Tensor, rectangles: Tensor
) -> tuple[Images, Tensor, Tensor]:
    """Return images, labels and trust with rectangles of the image before, alike in all.

    The image before is one of this process's own.

    Args:
        images: B pairs.
        labels: `(B, h, w)`.
        trust: `(B, h, w)`.
        rectangles: `(B, h, w)` bool, where an image shows the one before it.
    """
    size = images.labels.shape[-2:]
    large = F.interpolate(rectangles[:, None].float(), size, mode='nearest')[:, 0] > 0.5
    color = large[:, None]
    pasted = Images(
        images.rgb.roll(1, 0).where(color, images.rgb),
        images.depth.roll(1, 0).where(color, images.depth),
        images.labels.roll(1, 0).where(large, images.labels),
    )
    return (
        pasted,
        labels.roll(1, 0).where(rectangles, labels),
        trust.roll(1, 0).where(rectangles, trust),
    )
