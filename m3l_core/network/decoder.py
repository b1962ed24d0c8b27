"""A pyramid of feature maps to class logits; knows no modalities.

Dimensions: S images, C channels, D decoder channels, K classes, h, w a quarter of the input.
"""

from __future__ import annotations

from typing import cast, TYPE_CHECKING

import torch
from torch import nn, Tensor
import torch.nn.functional as F

from m3l_core.network.encoder import to_image, to_tokens

if TYPE_CHECKING:
    from m3l_core.architecture import Architecture


class Decoder(nn.Module):
    """The all-MLP head of SegFormer, with the fusing 1x1 convolution applied at each scale.

    Bilinear upsampling and a pointwise linear map commute, so fusing before upsampling gives
    the same logits and saves most of the work. BatchNorm always uses its running statistics,
    as the published method does.
    """

    def __init__(self, architecture: Architecture, *, dropout: float) -> None:
        super().__init__()
        channels = architecture.decoder_dim
        self.scales = nn.ModuleList(nn.Linear(c, channels) for c in architecture.embed_dims)
        self.fuse = nn.Conv2d(len(self.scales) * channels, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.dropout = nn.Dropout2d(dropout)
        self.classify = nn.Conv2d(channels, architecture.num_classes, 1)

    def train(self, mode: bool = True) -> Decoder:
        """Set the training mode of everything but BatchNorm."""
        super().train(mode)
        self.norm.eval()
        return self

    def forward(self, pyramid: list[Tensor]) -> Tensor:
        """Return logits `(S, K, h, w)` of feature maps at 1/4 to 1/32, `(S, C, H, W)` each."""
        # The published layout concatenates the coarsest scale first.
        slices = reversed(self.fuse.weight.flatten(1).chunk(len(self.scales), dim=1))
        size = pyramid[0].shape[-2:]
        fused = torch.zeros(())
        for features, project, weight in zip(pyramid, self.scales, slices, strict=True):
            linear = cast('nn.Linear', project)
            # Two linear maps in a row are one, with a C x D matrix in place of a D x D one.
            tokens = F.linear(to_tokens(features), weight @ linear.weight, weight @ linear.bias)
            image = to_image(tokens, *features.shape[-2:])
            if image.shape[-2:] != size:
                image = F.interpolate(image, size, mode='bilinear', align_corners=False)
            fused = fused + image
        logits: Tensor = self.classify(self.dropout(F.relu(self.norm(fused))))
        return logits
