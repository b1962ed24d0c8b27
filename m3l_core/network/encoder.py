"""A Mix Transformer over modalities that share every weight but the LayerNorms'.

Dimensions: S streams in one batch (`M*B`, see `fusion`), C channels, H rows, W columns,
N = H*W tokens.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn, Tensor
import torch.nn.functional as F

from m3l_core.network.fusion import (
    LinearMix,
    ModalityLayerNorm,
    replace_missing,
    TokenExchange,
)

if TYPE_CHECKING:
    from m3l_core.architecture import Architecture


def to_image(tokens: Tensor, height: int, width: int) -> Tensor:
    """Return tokens `(S, N, C)` as an image `(S, C, H, W)`, without a copy."""
    image: Tensor = tokens.unflatten(1, (height, width)).permute(0, 3, 1, 2)
    return image


def to_tokens(image: Tensor) -> Tensor:
    """Return an image `(S, C, H, W)` as tokens `(S, N, C)`."""
    return image.permute(0, 2, 3, 1).flatten(1, 2)


def drop_path(residual: Tensor, probability: float, *, training: bool) -> Tensor:
    """Return `residual` `(S, N, C)` with whole streams dropped at random and the rest scaled up.

    Stochastic depth (Huang et al., ECCV 2016), drawn for each stream of each image.
    """
    if not training or probability == 0:
        return residual
    keep = torch.empty_like(residual[:, :1, :1]).bernoulli_(1 - probability)
    return residual * (keep / (1 - probability))


class PatchEmbedding(nn.Module):
    """Overlapping patches of an image as normalized tokens, or a learned one in their place.

    Every stage has a mask token, as in the published state dict; only the first one's is used.
    """

    def __init__(
        self, modalities: int, in_channels: int, channels: int, *, kernel: int, stride: int
    ) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_channels, channels, kernel, stride, kernel // 2)
        self.norm = ModalityLayerNorm(modalities, channels)
        self.mask_token = nn.Parameter(torch.randn(channels))

    def forward(self, image: Tensor, present: Tensor | None) -> tuple[Tensor, int, int]:
        """Return tokens `(S, N, C)` of `(S, C_in, H_in, W_in)`, and their H and W."""
        image = self.proj(image)
        height, width = image.shape[-2:]
        tokens = self.norm(to_tokens(image))
        if present is not None:
            tokens = replace_missing(tokens, present, self.mask_token)
        return tokens, height, width


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return the values `(S, heads, L, D)` weighted by attention, `(S, heads, N, D)`."""
    if query.is_cuda:
        return F.scaled_dot_product_attention(query, key, value)
    # On a CPU the fused kernel's backward is 2 to 6 times slower than these three, as L is small.
    scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
    attended: Tensor = scores.softmax(-1) @ value
    return attended


class Attention(nn.Module):
    """Self-attention of each stream, with keys and values at a coarser resolution."""

    def __init__(self, modalities: int, channels: int, *, heads: int, reduction: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(channels, channels)
        self.kv = nn.Linear(channels, 2 * channels)
        self.proj = nn.Linear(channels, channels)
        self.reduction = reduction
        if reduction > 1:
            self.sr = nn.Conv2d(channels, channels, reduction, reduction)
            self.norm = ModalityLayerNorm(modalities, channels)

    def forward(self, x: Tensor, height: int, width: int) -> Tensor:
        """Return the attended tokens `(S, N, C)` of `x`, projected."""
        context = x
        if self.reduction > 1:
            context = self.norm(to_tokens(self.sr(to_image(x, height, width))))
        query = self._split_heads(self.q(x))
        key, value = (self._split_heads(half) for half in self.kv(context).chunk(2, dim=-1))
        attended = attend(query, key, value)
        projected: Tensor = self.proj(attended.transpose(1, 2).flatten(2))
        return projected

    def _split_heads(self, x: Tensor) -> Tensor:
        heads: Tensor = x.unflatten(2, (self.heads, -1)).transpose(1, 2)
        return heads


class MixFeedForward(nn.Module):
    """Two linear layers with a depthwise convolution between, which tells tokens their place."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, hidden)
        self.dwconv = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.fc2 = nn.Linear(hidden, channels)

    def forward(self, x: Tensor, height: int, width: int) -> Tensor:
        """Return `(S, N, C)` of `x` `(S, N, C)`."""
        x = to_tokens(self.dwconv(to_image(self.fc1(x), height, width)))
        projected: Tensor = self.fc2(F.gelu(x))
        return projected


class Block(nn.Module):
    """Attention whose result `mix` may share between the streams, then a feed-forward of each."""

    def __init__(
        self,
        modalities: int,
        channels: int,
        *,
        heads: int,
        reduction: int,
        mlp_ratio: int,
        mix: nn.Module,
        drop_path: float,
    ) -> None:
        super().__init__()
        self.norm1 = ModalityLayerNorm(modalities, channels)
        self.attn = Attention(modalities, channels, heads=heads, reduction=reduction)
        self.mix = mix
        self.norm2 = ModalityLayerNorm(modalities, channels)
        self.mlp = MixFeedForward(channels, mlp_ratio * channels)
        self.drop_path = drop_path

    def forward(self, x: Tensor, height: int, width: int) -> Tensor:
        """Return the tokens `(S, N, C)` after both residual branches."""
        attended = self.mix(self.attn(self.norm1(x), height, width))
        x = x + drop_path(attended, self.drop_path, training=self.training)
        forwarded = self.mlp(self.norm2(x), height, width)
        return x + drop_path(forwarded, self.drop_path, training=self.training)


class Stage(nn.Module):
    """Patch embedding, blocks and a closing norm: one scale of the pyramid.

    After each block `exchange` may share tokens between the streams.
    """

    def __init__(
        self,
        modalities: int,
        channels: int,
        *,
        embedding: PatchEmbedding,
        blocks: list[Block],
        exchange: nn.Module,
    ) -> None:
        super().__init__()
        self.embed = embedding
        self.blocks = nn.ModuleList(blocks)
        self.exchange = exchange
        self.norm = ModalityLayerNorm(modalities, channels)

    def forward(self, image: Tensor, present: Tensor | None) -> Tensor:
        """Return the feature map `(S, C, H, W)` of `(S, C_in, H_in, W_in)`."""
        x, height, width = self.embed(image, present)
        for block in self.blocks:
            x = self.exchange(block(x, height, width))
        return to_image(self.norm(x), height, width)


class Encoder(nn.Module):
    """Images of the modalities, stacked, to a pyramid of four feature maps."""

    def __init__(self, architecture: Architecture, *, drop_path: float) -> None:
        super().__init__()
        last = sum(architecture.depths) - 1
        rates = [drop_path * index / last for index in range(last + 1)]
        self.stages = nn.ModuleList(
            _stage(architecture, index, rates) for index in range(len(architecture.depths))
        )
        self.apply(_initialize)

    def forward(self, images: Tensor, present: Tensor | None) -> list[Tensor]:
        """Return the feature maps at 1/4, 1/8, 1/16 and 1/32, each `(S, C, H, W)`.

        Args:
            images: `(S, 3, H, W)`.
            present: `(B, M)` or `(B, M, N)` bool, see `replace_missing`; None = all present.
        """
        pyramid: list[Tensor] = []
        for index, stage in enumerate(self.stages):
            features = pyramid[-1] if pyramid else images
            pyramid.append(stage(features, present if index == 0 else None))
        return pyramid


def _stage(architecture: Architecture, index: int, rates: list[float]) -> Stage:
    """Return stage `index`, its blocks taking their share of the rising drop rates."""
    channels = architecture.embed_dims[index]
    modalities, fusion = architecture.modalities, architecture.fusion
    embedding = PatchEmbedding(
        modalities,
        3 if index == 0 else architecture.embed_dims[index - 1],
        channels,
        kernel=7 if index == 0 else 3,
        stride=4 if index == 0 else 2,
    )
    before = sum(architecture.depths[:index])
    blocks = [
        Block(
            modalities,
            channels,
            heads=architecture.num_heads[index],
            reduction=architecture.sr_ratios[index],
            mlp_ratio=architecture.mlp_ratio,
            mix=LinearMix(architecture.fusion_ratio) if fusion == 'linear' else nn.Identity(),
            drop_path=rate,
        )
        for rate in rates[before : before + architecture.depths[index]]
    ]
    exchange = TokenExchange(channels) if fusion == 'tokens' else nn.Identity()
    return Stage(modalities, channels, embedding=embedding, blocks=blocks, exchange=exchange)


def _initialize(module: nn.Module) -> None:
    """Fill linear layers from a truncated normal, convolutions by their fan-out."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
    elif isinstance(module, nn.Conv2d):
        fan_out = module.out_channels * math.prod(module.kernel_size) // module.groups
        nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)
