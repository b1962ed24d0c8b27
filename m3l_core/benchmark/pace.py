"""How fast this machine trains: a few steps on images of chance, before any run has begun."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING

import torch

from m3l_core.classes import NYU13, PUBLISHED
from m3l_core.data.batches import Batch, Views
from m3l_core.model_card import ModelCard
from m3l_core.train.learner import Learner
from m3l_core.train.start import initial_network

if TYPE_CHECKING:
    from m3l_core.train.config import TrainConfig

_STEPS = 2
"""That are timed, after one that is not: it is slow, as all is made ready in it."""


def seconds_per_pixel(config: TrainConfig) -> float:
    """Return the time that a pixel of a labeled view takes to be learned from.

    The step is that of supervised_dropout with the network, batch, last size and precision of
    `config`. Images are not read, which threads of their own do meanwhile.
    """
    config = replace(config, method='supervised_dropout', init='scratch')
    classes = NYU13 if config.classes is None else PUBLISHED[config.classes]
    network, _ = initial_network(config, classes, None)
    card = ModelCard(
        name=config.name,
        architecture=network.architecture,
        classes=classes,
        image_size=config.image_size,
        network_size=config.network_size,
        depth=config.depth,
    )
    device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    learner = Learner(config, network, card, torch.ones(len(classes)), device)
    batch = _of_chance(config, len(classes))
    seconds = []
    for step in range(1 + _STEPS):
        began = perf_counter()
        learner.learn(batch, step).item()  # which waits for the GPU
        seconds.append(perf_counter() - began)
    return min(seconds[1:]) / batch.labeled.labels.numel()


def _of_chance(config: TrainConfig, classes: int) -> Batch:
    shape = (config.batch_size, *config.phases[-1].size)
    rgb = torch.randint(0, 256, (*shape, 3), dtype=torch.uint8)
    labels = torch.randint(0, classes, shape, dtype=torch.uint8)
    return Batch(Views(rgb, 0.5 + 4 * torch.rand(shape), labels))
