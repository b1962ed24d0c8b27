"""The optimizer, and how fast it learns when."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import nn

    from m3l_core.train.config import OptimizerConfig


def make_optimizer(model: nn.Module, config: OptimizerConfig) -> torch.optim.AdamW:
    """Return AdamW that decays matrices and kernels only."""
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        exempt = 'norm' in name or name.endswith(('bias', 'mask_token', 'alpha'))
        (plain if exempt else decayed).append(parameter)
    groups = [
        {'params': decayed, 'weight_decay': config.weight_decay},
        {'params': plain, 'weight_decay': 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.lr, fused=True)


def learning_rate(step: int, steps: int, config: OptimizerConfig) -> float:
    """Return the rate at `step` of `steps`: a linear rise, then half a cosine down to 0."""
    warmup = config.warmup * steps
    if step < warmup:
        return config.lr * (step + 1) / warmup
    progress = (step - warmup) / (steps - warmup)
    return config.lr * 0.5 * (1 + math.cos(math.pi * progress))
