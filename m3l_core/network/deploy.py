"""The network as robots run it: camera images in, labels out, folded, every size a constant.

Sizes are Python numbers taken from the card, so that the exported graph is static and holds no
arithmetic on shapes.

Dimensions: M = 2 modalities, N = h*w tokens, C channels, D decoder channels, K classes; H x W
the camera's size, h x w a feature map's.
"""

from __future__ import annotations

from copy import deepcopy
from typing import cast, TYPE_CHECKING

import torch
from torch import nn, Tensor
import torch.nn.functional as F

from m3l_core.errors import ModelError
from m3l_core.network.fold import fold_decoder, fold_equal_channels, pointwise
from m3l_core.network.folded_block import FoldedBlock, FoldedNorm, image_of, tokens_of
from m3l_core.network.fusion import MODALITIES, StreamScales
from m3l_core.network.inputs import InputEncoder

if TYPE_CHECKING:
    from m3l_core.model_card import ModelCard
    from m3l_core.network.decoder import Decoder
    from m3l_core.network.encoder import Block, Encoder, PatchEmbedding, Stage
    from m3l_core.network.network import LinearFusion

Size = tuple[int, int]


class Deployment(nn.Module):
    """A trained network for one pair of images at a time, equal to the plain one.

    What TensorRT demands shows in the order of operations: `rgb` meets a cast first, and each
    output is itself the cast to uint8.

    Raises:
        ModelError: If the network is none with Linear Fusion.
    """

    def __init__(self, model: LinearFusion, card: ModelCard) -> None:
        super().__init__()
        if model.architecture.fusion != 'linear':
            raise ModelError(
                f'{card.name}: has fusion {model.architecture.fusion!r}; only Linear Fusion is '
                "deployed. Train one with fusion 'linear'; m3l evaluate scores this one too."
            )
        model = deepcopy(model).eval().float()
        self.image_size = card.image_size
        self.inputs = InputEncoder(card)
        self.encoder = FoldedEncoder(
            model.encoder, card.network_size, equal_depth_channels=card.depth.kind != 'metric3'
        )
        self.decoder = FoldedDecoder(model.decoder, self.encoder.sizes)
        self.scales = StreamScales(model.alpha, card.calibration)
        self.dtype = torch.float32
        self.requires_grad_(requires_grad=False)
        self.eval()

    def in_half_precision(self, dtype: torch.dtype) -> Deployment:
        """Let encoder and decoder compute in `dtype`, as the mixed graph does; return itself.

        Images, logits and what is made of them stay float32. LayerNorm and softmax take and
        give `dtype`, but PyTorch adds up in float32 inside them.
        """
        self.dtype = dtype
        self.encoder.to(dtype)
        self.decoder.to(dtype)
        return self

    def forward(self, rgb: Tensor, depth: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Return labels and confidence, each `(1, H, W)` uint8.

        Args:
            rgb: `(1, H, W, 3)` uint8.
            depth: `(1, H, W)` float32 meters; 0 or NaN where the sensor saw nothing.
            present: `(1, 2)` float32, 1 where a modality is there.
        """
        # The labels of probabilities are those of logits, and softmax leaves them in an order of
        # memory in which OpenVINO finds the largest ten times as fast.
        probability = self.logits(rgb, depth, present).softmax(1)
        confidence = probability.amax(1) * 255 + 0.5
        labels = probability.argmax(1)
        return labels.float().to(torch.uint8), confidence.clamp(0, 255).to(torch.uint8)

    def logits(self, rgb: Tensor, depth: Tensor, present: Tensor) -> Tensor:
        """Return the ensemble's logits `(1, K, H, W)` at the camera's size."""
        color, encoded = self.inputs(rgb, depth)
        if self.dtype is not torch.float32:
            color, encoded = color.to(self.dtype), encoded.to(self.dtype)
        streams = self.decoder(self.encoder(color, encoded, present))
        # Scaled after the class projection: K channels are weighted and added instead of D.
        # The scales are float32, so all that follows is, whatever came before.
        scales = self.scales(present).reshape(MODALITIES, 1, 1, 1)
        ensemble = (streams * scales).sum(0, keepdim=True)
        return F.interpolate(ensemble, self.image_size, mode='bilinear', align_corners=True)


class FoldedEncoder(nn.Module):
    """The encoder for one pair of images."""

    def __init__(self, encoder: Encoder, size: Size, *, equal_depth_channels: bool) -> None:
        super().__init__()
        stages = [cast('Stage', stage) for stage in encoder.stages]
        self.sizes: list[Size] = []
        for stage in stages:
            size = _embedded_size(stage.embed.proj, size)
            self.sizes.append(size)
        self.embed_pair = PairEmbedding(
            stages[0].embed, self.sizes[0], equal_depth_channels=equal_depth_channels
        )
        self.embeds = nn.ModuleList(
            Embedding(stage.embed, size)
            for stage, size in zip(stages[1:], self.sizes[1:], strict=True)
        )
        self.stages = nn.ModuleList(
            nn.Sequential(
                *(FoldedBlock(cast('Block', b), size) for b in stage.blocks),
                FoldedNorm(stage.norm),
            )
            for stage, size in zip(stages, self.sizes, strict=True)
        )

    def forward(self, rgb: Tensor, depth: Tensor, present: Tensor) -> list[Tensor]:
        """Return the tokens at 1/4, 1/8, 1/16 and 1/32, each `(M, N, C)`."""
        pyramid = [self.stages[0](self.embed_pair(rgb, depth, present))]
        for embed, stage, size in zip(self.embeds, self.stages[1:], self.sizes[:-1], strict=True):
            pyramid.append(stage(embed(image_of(pyramid[-1], size))))
        return pyramid


class PairEmbedding(nn.Module):
    """The first patch embedding, which tells a missing image from one that is there.

    Depth has a convolution of its own, with one channel where its encoding repeats that.
    """

    def __init__(
        self, embedding: PatchEmbedding, size: Size, *, equal_depth_channels: bool
    ) -> None:
        super().__init__()
        self.rgb = self.depth = embedding.proj
        self.depth_channels = 3
        if equal_depth_channels:
            self.depth, self.depth_channels = fold_equal_channels(embedding.proj), 1
        self.norm = FoldedNorm(embedding.norm)
        self.mask_token = embedding.mask_token
        self.size = size

    def forward(self, rgb: Tensor, depth: Tensor, present: Tensor) -> Tensor:
        """Return tokens `(M, N, C)` of the normalized pair `(1, 3, H, W)` each."""
        image = torch.cat([self.rgb(rgb), self.depth(depth[:, : self.depth_channels])])
        keep = present.reshape(MODALITIES, 1, 1) > 0.5
        return torch.where(keep, self.norm(tokens_of(image, self.size)), self.mask_token)


class Embedding(nn.Module):
    """A later patch embedding."""

    def __init__(self, embedding: PatchEmbedding, size: Size) -> None:
        super().__init__()
        self.proj, self.norm = embedding.proj, FoldedNorm(embedding.norm)
        self.size = size

    def forward(self, image: Tensor) -> Tensor:
        """Return tokens `(M, N, C)` of `(M, C_in, H, W)`."""
        tokens: Tensor = self.norm(tokens_of(self.proj(image), self.size))
        return tokens


class FoldedDecoder(nn.Module):
    """The decoder with one pointwise convolution per scale."""

    def __init__(self, decoder: Decoder, sizes: list[Size]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(pointwise(layer) for layer in fold_decoder(decoder))
        self.classify = decoder.classify
        self.sizes = sizes

    def forward(self, pyramid: list[Tensor]) -> Tensor:
        """Return the streams' logits `(M, K, h, w)` at a quarter of the network's size."""
        finest, *coarser = (
            layer(image_of(tokens, size))
            for tokens, layer, size in zip(pyramid, self.layers, self.sizes, strict=True)
        )
        # The finest last, so that its convolution can add the others' sum as it writes.
        total, *rest = (
            F.interpolate(image, self.sizes[0], mode='bilinear', align_corners=False)
            for image in coarser
        )
        for image in rest:
            total = total + image
        logits: Tensor = self.classify(F.relu(finest + total))
        return logits


def _embedded_size(convolution: nn.Conv2d, size: Size) -> Size:
    """Return the size of what `convolution`, square and padded by half, makes of `size`."""
    kernel, stride = convolution.kernel_size[0], convolution.stride[0]
    height, width = ((length + 2 * (kernel // 2) - kernel) // stride + 1 for length in size)
    return height, width
