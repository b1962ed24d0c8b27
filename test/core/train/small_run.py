"""A run of seconds, and how to take it to its end or to a stop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from m3l_core.train.config import Phase, TrainConfig
from m3l_core.train.sources import open_sources, Sources
from m3l_core.train.trainer import Trainer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from m3l_core.data.batches import Batch

CONFIG = TrainConfig(
    name='small',
    steps=6,
    batch_size=2,
    phases=(Phase(size=(32, 48), share=0.5), Phase(size=(64, 80), share=0.5)),
    image_size=(48, 64),
    network_size=(64, 80),
    precision='float32',
    validate_every=3,
    save_every=2,
)


def train(
    config: TrainConfig, images: Path | Sources, out: Path, *, until: int | None = None
) -> Trainer:
    """Return a trainer that ran to the end, or was stopped before step `until`."""
    sources = open_sources(images, config.split) if isinstance(images, Path) else images
    trainer = Trainer(config, sources, out)
    trainer.run(lambda batches, *_: first(batches, (until or config.steps) - trainer.step), str)
    return trainer


def first(batches: Iterable[Batch], count: int) -> Iterator[Batch]:
    """Yield some batches, as a run sees them that is killed after these."""
    for _, batch in zip(range(count), batches, strict=False):
        yield batch
