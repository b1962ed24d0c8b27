"""The averaged network that follows the trained one."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def follow(teacher: nn.Module, student: nn.Module, *, momentum: float, step: int) -> None:
    """Move the teacher a little toward the student: t <- a t + (1 - a) s.

    Mean Teacher (Tarvainen and Valpola, NeurIPS 2017): a = min(1 - 1/(step + 1), momentum), so
    the first steps weigh evenly. Floating buffers move along.

    Args:
        teacher: The network that is moved.
        student: The network it follows.
        momentum: The largest a, in [0, 1).
        step: Counted from 0.
    """
    share = 1 - min(1 - 1 / (step + 1), momentum)
    pairs = zip(teacher.state_dict().values(), student.state_dict().values(), strict=True)
    floats = [(mine, theirs) for mine, theirs in pairs if mine.is_floating_point()]
    torch._foreach_lerp_([mine for mine, _ in floats], [theirs for _, theirs in floats], share)
