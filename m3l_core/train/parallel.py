"""Several processes that train one network, started by `torchrun`; one alone is the plain case.

Every process holds the whole network and a part of each batch. Losses are divided by what all of
them counted, so the sum of their gradients is the gradient of the whole batch. The sum is taken
here and not by DistributedDataParallel, whose hooks allow one forward pass of one network a step.
"""

from __future__ import annotations

from contextlib import contextmanager
import os
from typing import Any, TYPE_CHECKING

import torch
import torch.distributed as dist

from m3l_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torch import Tensor


@contextmanager
def process_group() -> Iterator[None]:
    """Join the other processes of a `torchrun`; without it, do nothing.

    Raises:
        ConfigError: If there are more processes than GPUs.
    """
    if 'RANK' not in os.environ or 'WORLD_SIZE' not in os.environ:
        yield
        return
    if torch.cuda.is_available():
        local, gpus = int(os.environ.get('LOCAL_RANK', '0')), torch.cuda.device_count()
        if local >= gpus:
            raise ConfigError(
                f'torchrun: more processes than the {gpus} GPUs of this machine. Start '
                f'--nproc-per-node {gpus}.'
            )
        torch.cuda.set_device(local)
        dist.init_process_group('nccl', device_id=torch.device('cuda', local))
    else:
        dist.init_process_group('gloo')
    try:
        yield
    finally:
        dist.destroy_process_group()


def rank() -> int:
    """Return which process this is, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """Return how many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def own_part(drawn: Tensor) -> Tensor:
    """Return this process's rows of what every process drew for all of them."""
    return drawn.chunk(world_size())[rank()]


def all_sum(value: Tensor) -> Tensor:
    """Return the sum of `value` over all processes, without a gradient."""
    total = value.detach().clone()
    if dist.is_initialized():
        dist.all_reduce(total)
    return total


def sum_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Replace every gradient by its sum over all processes, in one exchange."""
    if not dist.is_initialized():
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    parts = flat.split([gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


def gather(value: Any) -> list[Any]:  # noqa: ANN401
    """Return what each process passed, in the order of their ranks."""
    if not dist.is_initialized():
        return [value]
    values: list[Any] = [None] * world_size()
    dist.all_gather_object(values, value)
    return values
