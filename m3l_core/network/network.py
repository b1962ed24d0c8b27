"""The Linear Fusion network: two streams, one encoder, one decoder, three predictions.

What it is compared with is the same network with another `Architecture.fusion`.

Dimensions: M modalities (0 = RGB, 1 = depth; or one of them alone), B images, K classes, H rows,
W columns.
"""

from __future__ import annotations

from typing import NamedTuple, TYPE_CHECKING

import torch
from torch import nn, Tensor
import torch.nn.functional as F

from m3l_core.errors import ModelError
from m3l_core.network.decoder import Decoder
from m3l_core.network.encoder import Encoder
from m3l_core.network.fusion import ModalityLayerNorm

if TYPE_CHECKING:
    from m3l_core.architecture import Architecture


class Predictions(NamedTuple):
    """Logits `(B, K, H, W)` of the color stream, the depth stream, and both together.

    A network of one stream gives that one's three times.
    """

    rgb: Tensor
    depth: Tensor
    ensemble: Tensor


class LinearFusion(nn.Module):
    """Segments a color image, a depth image, or both, with the same weights.

    Maheshwari, Liu, Kira: Missing Modality Robustness in Semi-Supervised Multi-Modal Semantic
    Segmentation, WACV 2024. With fusion `rgb` or `depth` it is SegFormer (Xie et al., NeurIPS
    2021) on that image, with `tokens` TokenFusion (Wang et al., CVPR 2022).

    Args:
        architecture: The sizes and the fusion.
        drop_path: Probability of dropping a residual branch of the last block; rises from 0.
        dropout: Probability of dropping a channel before the last layer.
    """

    def __init__(
        self, architecture: Architecture, *, drop_path: float = 0.1, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.encoder = Encoder(architecture, drop_path=drop_path)
        self.decoder = Decoder(architecture, dropout=dropout)
        self.alpha = nn.Parameter(torch.ones(architecture.modalities))

    def forward(self, rgb: Tensor, depth: Tensor, present: Tensor | None = None) -> Predictions:
        """Return the three predictions at input size.

        Args:
            rgb: `(B, 3, H, W)`, normalized.
            depth: `(B, 3, H, W)`, encoded and normalized.
            present: `(B, 2)` bool, which modalities are there; None = all.
        """
        streams = self.stream_logits(rgb, depth, present)
        logits = torch.cat([streams, self.ensemble(streams.detach())[None]])
        size = rgb.shape[-2:]
        logits = F.interpolate(logits.flatten(0, 1), size, mode='bilinear', align_corners=True)
        *of_streams, ensemble = logits.unflatten(0, (len(streams) + 1, -1))
        return Predictions(of_streams[0], of_streams[-1], ensemble)

    def stream_logits(self, rgb: Tensor, depth: Tensor, present: Tensor | None = None) -> Tensor:
        """Return the logits of the streams at a quarter of the input size, `(M, B, K, h, w)`."""
        streams = self.architecture.streams
        present = None if present is None else present[:, streams]
        pyramid = self.encoder(torch.cat([rgb, depth][streams]), present)
        logits: Tensor = self.decoder(pyramid).unflatten(0, (len(self.alpha), -1))
        return logits

    def weights_for(self, architecture: Architecture) -> dict[str, Tensor]:
        """Return the weights as a network of the same sizes but another fusion takes them.

        A single stream gets its modality's LayerNorms. What this network lacks, as the scores
        of tokens, is left out.

        Raises:
            ModelError: If this network has no stream for a modality of the other.
        """
        streams = architecture.streams
        if self.architecture.modalities == 1:
            if streams != self.architecture.streams:
                raise ModelError(
                    f'weights: have a stream for {self.architecture.fusion} alone, which fusion '
                    f'{architecture.fusion!r} cannot start from. Give those of two streams.'
                )
            streams = slice(None)
        of_modalities = {
            f'{name}.{parameter}'
            for name, module in self.named_modules()
            if isinstance(module, ModalityLayerNorm)
            for parameter in ('weight', 'bias')
        } | {'alpha'}
        return {
            name: value[streams].clone() if name in of_modalities else value
            for name, value in self.state_dict().items()
            if architecture.fusion == 'tokens' or '.exchange.' not in name
        }

    def ensemble(self, streams: Tensor, scales: Tensor | None = None) -> Tensor:
        """Return the streams' logits `(M, B, K, h, w)` weighted and summed.

        Args:
            streams: The logits.
            scales: `(B, M)`, from `StreamScales`; None = softmax(alpha) for every image.
        """
        if scales is not None:
            return torch.einsum('bm,mbkhw->bkhw', scales.to(streams.dtype), streams)
        return torch.einsum('m,mbkhw->bkhw', self.alpha.softmax(0).to(streams.dtype), streams)
