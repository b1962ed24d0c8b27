"""What the two streams do not share, and where they meet.

Dimensions: M modalities, B images, N tokens, C channels. The streams travel as one batch
`(M*B, N, C)`, modality-major: all color images first, then all depth images.
"""

from __future__ import annotations

import torch
from torch import nn, Tensor
import torch.nn.functional as F

MODALITIES = 2


class ModalityLayerNorm(nn.Module):
    """LayerNorm whose scale and shift exist once for each modality.

    The normalization itself is the same for both, so the streams stay one batch.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(MODALITIES, channels))
        self.bias = nn.Parameter(torch.zeros(MODALITIES, channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` `(M*B, N, C)` normalized over C."""
        x = F.layer_norm(x, x.shape[-1:], eps=1e-6)
        weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
        streams = x.unflatten(0, (MODALITIES, -1))
        return torch.addcmul(bias[:, None, None], streams, weight[:, None, None]).flatten(0, 1)


def mix(attended: Tensor, ratio: float) -> Tensor:
    """Return each stream's attention with a share of the other's: the Linear Fusion of M3L.

    Args:
        attended: `(M*B, N, C)`.
        ratio: Share in [0, 1] of a stream's own attention, a in the paper.
    """
    own = attended.unflatten(0, (MODALITIES, -1))
    return torch.lerp(own.flip(0), own, ratio).flatten(0, 1)


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
