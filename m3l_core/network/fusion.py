"""What the two streams do not share, and where they meet.

Dimensions: M modalities, B images, N tokens, C channels. The streams travel as one batch
`(M*B, N, C)`, modality-major: all color images first, then all depth images. M is 1 where a
network has a single stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn, Tensor
import torch.nn.functional as F

if TYPE_CHECKING:
    from m3l_core.model_card import Calibration, ModeCalibration

MODALITIES = 2

WORTH_KEEPING = 0.02
"""Score in [0, 1] of a token below which the other stream's is taken; the paper's."""

SPARSITY = 0.01
"""Weight of the mean score of an exchange among the losses; see `TokenExchange.sparsity`."""


class ModalityLayerNorm(nn.Module):
    """LayerNorm whose scale and shift exist once for each of M modalities.

    The normalization itself is the same for both, so the streams stay one batch.
    """

    def __init__(self, modalities: int, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(modalities, channels))
        self.bias = nn.Parameter(torch.zeros(modalities, channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` `(M*B, N, C)` normalized over C."""
        x = F.layer_norm(x, x.shape[-1:], eps=1e-6)
        weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
        streams = x.unflatten(0, (len(weight), -1))
        return torch.addcmul(bias[:, None, None], streams, weight[:, None, None]).flatten(0, 1)


class StreamScales(nn.Module):
    """What the streams' logits are multiplied by before they are added: the ensemble's weights.

    They depend on what is there, and are divided by that mode's temperature.

    Args:
        alpha: `(M,)`; without calibration, softmax(alpha) weighs the streams in every mode.
        calibration: Weights and temperature of each mode.
    """

    both: Tensor
    rgb_only: Tensor
    depth_only: Tensor

    def __init__(self, alpha: Tensor, calibration: Calibration | None) -> None:
        super().__init__()
        scales = [alpha.detach().double().softmax(0)] * 3
        if calibration is not None:
            modes = calibration.both, calibration.depth_missing, calibration.rgb_missing
            scales = [_scales(mode) for mode in modes]
        for name, values in zip(('both', 'rgb_only', 'depth_only'), scales, strict=True):
            self.register_buffer(name, values[None].float(), persistent=False)

    def forward(self, present: Tensor) -> Tensor:
        """Return `(B, M)` for `present` `(B, M)`; nothing there counts as both."""
        # Chosen, not computed: exact in any precision, and a static graph.
        has_rgb, has_depth = present[:, :1] > 0.5, present[:, 1:] > 0.5
        with_rgb = torch.where(has_depth, self.both, self.rgb_only)
        without_rgb = torch.where(has_depth, self.depth_only, self.both)
        return torch.where(has_rgb, with_rgb, without_rgb)


def _scales(mode: ModeCalibration) -> Tensor:
    shares = torch.tensor([mode.rgb_share, 1 - mode.rgb_share], dtype=torch.float64)
    return shares / mode.temperature


class LinearMix(nn.Module):
    """Each stream's attention with a share of the other's: the Linear Fusion of M3L.

    Args:
        own_share: Share in [0, 1] of a stream's own attention, a in the paper.
    """

    def __init__(self, own_share: float) -> None:
        super().__init__()
        self.own_share = own_share

    def forward(self, attended: Tensor) -> Tensor:
        """Return the mixed attention `(M*B, N, C)` of `attended`."""
        own = attended.unflatten(0, (MODALITIES, -1))
        return torch.lerp(own.flip(0), own, self.own_share).flatten(0, 1)


class TokenExchange(nn.Module):
    """Tokens that say little give way to the other stream's at the same place.

    TokenFusion (Wang et al., CVPR 2022), for streams that show the same pixels, where no
    projection is needed. Every token is scaled by its score, through which the score learns what
    the labels need; a gradient of its own pulls it toward 0.
    """

    sparsity: float
    """Weight of the mean score among the losses. Where the gradients of n processes are summed,
    each has to give an n-th."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.sparsity = SPARSITY
        self.norm = nn.LayerNorm(channels)
        self.score = nn.Sequential(
            nn.Linear(channels, channels // 2),
            nn.GELU(),
            nn.Linear(channels // 2, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the tokens `(M*B, N, C)` after the exchange, of those after a block."""
        score = self.score(self.norm(x))
        if score.requires_grad:
            # The gradient of `sparsity` times the mean score: a loss that no trainer has to add.
            score.register_hook(lambda gradient: gradient + self.sparsity / gradient.numel())
        own = (x * score).unflatten(0, (MODALITIES, -1))
        keep = (score >= WORTH_KEEPING).unflatten(0, (MODALITIES, -1))
        return torch.where(keep, own, own.flip(0)).flatten(0, 1)


def replace_missing(tokens: Tensor, present: Tensor, mask_token: Tensor) -> Tensor:
    """Return the tokens with those of every missing stream replaced by the learned vector.

    Args:
        tokens: `(M*B, N, C)`.
        present: `(B, M)` bool, or `(B, M, N)` bool to tell token from token.
        mask_token: `(C,)`, shared by the modalities.
    """
    per_stream = present.transpose(0, 1).flatten(0, 1)  # (M*B,) or (M*B, N)
    keep = per_stream[..., None] if present.ndim == 3 else per_stream[:, None, None]
    return torch.where(keep, tokens, mask_token.to(tokens.dtype))
