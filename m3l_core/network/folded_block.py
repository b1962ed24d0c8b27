"""A transformer block of the deployed network: one pair of images, every size a constant.

Dimensions: M = 2 modalities, N = h*w tokens, C channels.
"""

from __future__ import annotations

from typing import cast, TYPE_CHECKING

import torch
from torch import nn, Tensor
import torch.nn.functional as F

from m3l_core.network.fold import linear, pointwise
from m3l_core.network.fusion import MODALITIES

if TYPE_CHECKING:
    from m3l_core.network.encoder import Attention, Block, MixFeedForward
    from m3l_core.network.fusion import LinearMix, ModalityLayerNorm

Size = tuple[int, int]


def image_of(tokens: Tensor, size: Size) -> Tensor:
    """Return tokens `(M, N, C)` as an image `(M, C, h, w)`."""
    return tokens.reshape(MODALITIES, *size, -1).permute(0, 3, 1, 2)


def tokens_of(image: Tensor, size: Size) -> Tensor:
    """Return an image `(M, C, h, w)` as tokens `(M, N, C)`."""
    return image.permute(0, 2, 3, 1).reshape(MODALITIES, size[0] * size[1], -1)


class FoldedNorm(nn.Module):
    """LayerNorm with a scale and a shift for each modality.

    The operator gets a scale and shift of its own, all ones and zeros: parsers of TensorRT
    were wrong about absent ones.
    """

    ones: Tensor
    zeros: Tensor

    def __init__(self, norm: ModalityLayerNorm) -> None:
        super().__init__()
        channels = norm.weight.shape[1]
        self.register_buffer('ones', torch.ones(channels), persistent=False)
        self.register_buffer('zeros', torch.zeros(channels), persistent=False)
        self.weight = nn.Parameter(norm.weight.detach()[:, None].clone())
        self.bias = nn.Parameter(norm.bias.detach()[:, None].clone())

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` `(M, N, C)` normalized over C."""
        normal = F.layer_norm(x, self.ones.shape, self.ones, self.zeros, eps=1e-6)
        return normal * self.weight + self.bias


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return the values `(M, heads, L, D)` weighted by attention to scaled queries."""
    if query.is_cuda:  # one kernel, and no matrix of scores in memory
        return F.scaled_dot_product_attention(query, key, value, scale=1.0)
    # What exporters and engines recognize; PyTorch's own on the CPU is no faster, as L is small.
    attended: Tensor = (query @ key.transpose(-1, -2)).softmax(-1) @ value
    return attended


class FoldedAttention(nn.Module):
    """Self-attention with the scale folded into the query's layer."""

    def __init__(self, attention: Attention, size: Size) -> None:
        super().__init__()
        channels = attention.q.out_features
        self.heads, self.channels = attention.heads, channels
        self.size, self.context_size = size, size
        scale = (channels // self.heads) ** -0.5
        self.query = linear(scale * attention.q.weight.double(), scale * attention.q.bias.double())
        self.key, self.value = (
            linear(weight, bias)
            for weight, bias in zip(
                attention.kv.weight.split(channels),
                attention.kv.bias.split(channels),
                strict=True,
            )
        )
        self.project = attention.proj
        self.reduce: nn.Module | None = None
        if attention.reduction > 1:
            self.reduce, self.norm = attention.sr, FoldedNorm(attention.norm)
            self.context_size = (size[0] // attention.reduction, size[1] // attention.reduction)

    def forward(self, x: Tensor) -> Tensor:
        """Return the attended tokens `(M, N, C)` of `x`, projected."""
        context = x
        if self.reduce is not None:
            image = self.reduce(image_of(x, self.size))
            context = self.norm(tokens_of(image, self.context_size))
        query = self._heads(self.query(x), self.size)
        key = self._heads(self.key(context), self.context_size)
        value = self._heads(self.value(context), self.context_size)
        attended = attend(query, key, value)
        tokens = self.size[0] * self.size[1]
        merged = attended.permute(0, 2, 1, 3).reshape(MODALITIES, tokens, self.channels)
        projected: Tensor = self.project(merged)
        return projected

    def _heads(self, x: Tensor, size: Size) -> Tensor:
        split = x.reshape(MODALITIES, size[0] * size[1], self.heads, -1)
        return split.permute(0, 2, 1, 3)


class FoldedFeedForward(nn.Module):
    """Two linear layers, as convolutions, with a depthwise convolution between."""

    def __init__(self, feed_forward: MixFeedForward, size: Size) -> None:
        super().__init__()
        self.expand, self.contract = pointwise(feed_forward.fc1), pointwise(feed_forward.fc2)
        self.depthwise = feed_forward.dwconv
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """Return `(M, N, C)` of `x` `(M, N, C)`."""
        image = self.depthwise(self.expand(image_of(x, self.size)))
        return tokens_of(self.contract(F.gelu(image)), self.size)


class FoldedBlock(nn.Module):
    """Attention whose result is mixed between the streams, then a feed-forward of each."""

    def __init__(self, block: Block, size: Size) -> None:
        super().__init__()
        self.norm1, self.norm2 = FoldedNorm(block.norm1), FoldedNorm(block.norm2)
        self.attention = FoldedAttention(block.attn, size)
        self.feed_forward = FoldedFeedForward(block.mlp, size)
        self.own_share = cast('LinearMix', block.mix).own_share

    def forward(self, x: Tensor) -> Tensor:
        """Return the tokens `(M, N, C)` after both residual branches."""
        rgb, depth = self.attention(self.norm1(x)).split(1)
        own, other = self.own_share, 1 - self.own_share
        x = x + torch.cat([own * rgb + other * depth, other * rgb + own * depth])
        forwarded: Tensor = self.feed_forward(self.norm2(x))
        return x + forwarded
