"""Linear Fusion as one would first write it: what the deployed graph is measured against.

Two streams in a list, a LayerNorm module per stream, the decoder upsampling each scale before
it concatenates and fuses them. The weights are those of `m3l_core.network.LinearFusion`.
"""

from __future__ import annotations

from typing import cast, TYPE_CHECKING

import torch
from torch import nn, Tensor
import torch.nn.functional as F

if TYPE_CHECKING:
    from m3l_core.network import LinearFusion
    from m3l_core.network.decoder import Decoder
    from m3l_core.network.encoder import Attention, Block, MixFeedForward, PatchEmbedding, Stage
    from m3l_core.network.fusion import LinearMix, ModalityLayerNorm

Streams = list[Tensor]


class PlainNetwork(nn.Module):
    """Normalized images of both modalities to the ensemble's logits at input size."""

    def __init__(self, model: LinearFusion) -> None:
        super().__init__()
        self.stages = nn.ModuleList(PlainStage(cast('Stage', s)) for s in model.encoder.stages)
        self.decoder = PlainDecoder(model.decoder)
        self.alpha = model.alpha
        self.eval()

    def forward(self, rgb: Tensor, depth: Tensor) -> Tensor:
        """Return `(B, K, H, W)` of `(B, 3, H, W)` each."""
        shares = self.alpha.softmax(0)
        logits = self.stream_logits(rgb, depth)
        ensemble = shares[0] * logits[0] + shares[1] * logits[1]
        return F.interpolate(ensemble, rgb.shape[-2:], mode='bilinear', align_corners=True)

    def stream_logits(self, rgb: Tensor, depth: Tensor) -> Streams:
        """Return each stream's logits `(B, K, h, w)` at a quarter of the input size."""
        images = [rgb, depth]
        pyramids: list[Streams] = [[], []]
        for stage in self.stages:
            images = stage(images)
            for pyramid, image in zip(pyramids, images, strict=True):
                pyramid.append(image)
        return [self.decoder(pyramid) for pyramid in pyramids]


class PlainNorm(nn.Module):
    """A LayerNorm of its own for each stream."""

    def __init__(self, norm: ModalityLayerNorm) -> None:
        super().__init__()
        self.norms = nn.ModuleList()
        for weight, bias in zip(norm.weight, norm.bias, strict=True):
            layer = nn.LayerNorm(weight.numel(), eps=1e-6)
            layer.load_state_dict({'weight': weight, 'bias': bias})
            self.norms.append(layer)

    def forward(self, streams: Streams) -> Streams:
        """Return each stream normalized by its own layer."""
        return [norm(x) for norm, x in zip(self.norms, streams, strict=True)]


class PlainStage(nn.Module):
    """Patch embedding, blocks and norm."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        embed: PatchEmbedding = stage.embed
        self.embed, self.embed_norm = embed.proj, PlainNorm(embed.norm)
        self.blocks = nn.ModuleList(PlainBlock(cast('Block', b)) for b in stage.blocks)
        self.norm = PlainNorm(stage.norm)

    def forward(self, images: Streams) -> Streams:
        """Return the streams' feature maps."""
        embedded = [self.embed(image) for image in images]
        height, width = embedded[0].shape[-2:]
        streams = self.embed_norm([x.flatten(2).transpose(1, 2) for x in embedded])
        for block in self.blocks:
            streams = block(streams, height, width)
        return [image_of(x, height, width) for x in self.norm(streams)]


class PlainBlock(nn.Module):
    """Attention, fusion and feed-forward, one stream after the other."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        self.norm1, self.norm2 = PlainNorm(block.norm1), PlainNorm(block.norm2)
        self.attention: Attention = block.attn
        self.feed_forward: MixFeedForward = block.mlp
        reduces = self.attention.reduction > 1
        self.context_norm = PlainNorm(self.attention.norm) if reduces else None
        self.share = cast('LinearMix', block.mix).own_share

    def forward(self, streams: Streams, height: int, width: int) -> Streams:
        """Return the streams after both residual branches."""
        rgb, depth = self._attend(self.norm1(streams), height, width)
        mixed = [
            self.share * rgb + (1 - self.share) * depth,
            (1 - self.share) * rgb + self.share * depth,
        ]
        streams = [x + y for x, y in zip(streams, mixed, strict=True)]
        forwarded = [self.feed_forward(x, height, width) for x in self.norm2(streams)]
        return [x + y for x, y in zip(streams, forwarded, strict=True)]

    def _attend(self, streams: Streams, height: int, width: int) -> Streams:
        contexts = streams
        if self.context_norm is not None:
            reduced = [self.attention.sr(image_of(x, height, width)) for x in streams]
            contexts = self.context_norm([x.flatten(2).transpose(1, 2) for x in reduced])
        return [self._attention(x, c) for x, c in zip(streams, contexts, strict=True)]

    def _attention(self, x: Tensor, context: Tensor) -> Tensor:
        """Return the attended tokens `(1, N, C)` of one stream."""
        batch, tokens, channels = x.shape
        heads = self.attention.heads
        width = channels // heads
        query = self.attention.q(x).reshape(batch, tokens, heads, width).transpose(1, 2)
        both = self.attention.kv(context).reshape(batch, -1, 2, heads, width)
        key, value = both.permute(2, 0, 3, 1, 4)
        scores = (query @ key.transpose(-2, -1)) * width**-0.5
        attended = scores.softmax(-1) @ value
        projected: Tensor = self.attention.proj(
            attended.transpose(1, 2).reshape(batch, tokens, channels)
        )
        return projected


class PlainDecoder(nn.Module):
    """The head as published: project, upsample, concatenate, fuse."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.scales, self.fuse, self.norm = decoder.scales, decoder.fuse, decoder.norm
        self.classify = decoder.classify

    def forward(self, pyramid: Streams) -> Tensor:
        """Return logits `(1, K, h, w)` at a quarter of the input size."""
        size = pyramid[0].shape[-2:]
        images = []
        for features, project in zip(pyramid, self.scales, strict=True):
            tokens = project(features.flatten(2).transpose(1, 2))
            image = image_of(tokens, *features.shape[-2:])
            images.append(F.interpolate(image, size, mode='bilinear', align_corners=False))
        fused = F.relu(self.norm(self.fuse(torch.cat(images[::-1], dim=1))))
        logits: Tensor = self.classify(fused)
        return logits


def image_of(tokens: Tensor, height: int, width: int) -> Tensor:
    """Return tokens `(1, N, C)` as an image `(1, C, height, width)`."""
    return tokens.transpose(1, 2).reshape(tokens.shape[0], -1, height, width)
