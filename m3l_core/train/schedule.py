"""The optimizer, and how fast it learns when."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import nn

    from m3l_core.train.config import OptimizerConfig


def make_optimizer(models: Iterable[nn.Module], config: OptimizerConfig) -> torch.optim.AdamW:
    """Return AdamW over all models' parameters; which of them decay is for `config` to say.

    Each group notes under `peak_lr` the rate that the schedule scales.
    """
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in (named for model in models for named in model.named_parameters()):
        decoder = name.startswith('decoder.')
        if config.decayed == 'matrices':
            exempt = 'norm' in name or name.endswith(('bias', 'mask_token', 'alpha'))
        elif name == 'alpha':
            continue
        else:
            exempt = 'norm' in name and not decoder
        groups.setdefault((decoder, exempt), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                'params': parameters,
                'weight_decay': 0.0 if exempt else config.weight_decay,
                'peak_lr': config.rate_of(decoder=decoder),
            }
            for (decoder, exempt), parameters in groups.items()
        ],
        lr=config.lr,
        fused=True,
    )


def set_rate(
    optimizer: torch.optim.Optimizer, step: int, steps: int, config: OptimizerConfig
) -> None:
    """Set the rate of every group for `step` of `steps`, counted from 0."""
    scale = rate_scale(step, steps, config)
    for group in optimizer.param_groups:
        group['lr'] = group['peak_lr'] * scale


def rate_scale(step: int, steps: int, config: OptimizerConfig) -> float:
    """Return the share of the peak rate at `step`: a linear rise, then the decay to 0."""
    warmup = config.warmup * steps
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / (steps - warmup)
    if config.decay == 'poly':
        return float((1 - progress) ** 0.9)
    return 0.5 * (1 + math.cos(math.pi * progress))
