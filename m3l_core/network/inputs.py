"""The only definition of images to network input: training, evaluation and engines share it.

Dimensions: B images, H x W the camera's size, h x w the network's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn, Tensor
import torch.nn.functional as F

if TYPE_CHECKING:
    from m3l_core.model_card import DepthEncoding, ModelCard


class InputEncoder(nn.Module):
    """Camera images to what the two streams expect.

    Args:
        card: Normalization and depth encoding.
        size: Height and width of the network's input; None takes the card's.
    """

    rgb_scale: Tensor
    rgb_shift: Tensor

    def __init__(self, card: ModelCard, size: tuple[int, int] | None = None) -> None:
        super().__init__()
        mean, std = torch.tensor(card.rgb_mean), torch.tensor(card.rgb_std)
        self.register_buffer('rgb_scale', (1 / (255 * std))[:, None, None], persistent=False)
        self.register_buffer('rgb_shift', (-mean / std)[:, None, None], persistent=False)
        self.size = size or card.network_size
        self.depth = card.depth

    def forward(self, rgb: Tensor, depth_m: Tensor) -> tuple[Tensor, Tensor]:
        """Return the normalized pair, `(B, 3, h, w)` each.

        Args:
            rgb: `(B, H, W, 3)` uint8.
            depth_m: `(B, H, W)` float32 meters; 0 or NaN where the sensor saw nothing.
        """
        # Cast, then permute: TensorRT takes uint8 nowhere but beside a cast.
        color = rgb.float().permute(0, 3, 1, 2)
        depth = depth_m[:, None]
        # NaN compares false, so this also clears it; infinities read as no reading.
        depth = torch.where((depth > 0) & (depth < torch.inf), depth, 0.0)
        if color.shape[-2:] != self.size:
            color = F.interpolate(color, self.size, mode='bilinear', align_corners=False)
            depth = F.interpolate(depth, self.size, mode='nearest')
        return color * self.rgb_scale + self.rgb_shift, encode_depth(depth, self.depth)


def encode_depth(depth_m: Tensor, encoding: DepthEncoding) -> Tensor:
    """Return the three channels `(B, 3, h, w)`, about zero mean and unit size, of a depth image.

    Args:
        depth_m: `(B, 1, h, w)` meters, 0 where the sensor saw nothing.
        encoding: What the channels mean.
    """
    if encoding.kind == 'minmax':
        low, high = depth_m.amin((2, 3), keepdim=True), depth_m.amax((2, 3), keepdim=True)
        scaled = (depth_m - low) / (high - low).clamp(min=1e-6)
        return torch.cat([_centered(scaled)] * 3, dim=1)
    valid = depth_m > 0
    z = depth_m.clamp(encoding.near_m, encoding.far_m)
    inverse = torch.where(valid, encoding.near_m / z, 0.0)
    if encoding.kind == 'inverse':
        return torch.cat([_centered(inverse)] * 3, dim=1)
    linear = torch.where(valid, z / encoding.far_m, 0.0)
    return _centered(torch.cat([inverse, linear, valid.to(depth_m.dtype)], dim=1))


def _centered(unit: Tensor) -> Tensor:
    """Return values of [0, 1] in [-2, 2], the range that normalized color has."""
    return unit * 4 - 2
