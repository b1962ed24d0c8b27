"""A run without dropout, alone or as one of the processes that torchrun starts."""

from __future__ import annotations

import os
from pathlib import Path
import sys
import traceback

from small_run import first
import torch

from m3l_core.config import from_mapping, load_yaml
from m3l_core.train.config import TrainConfig
from m3l_core.train.parallel import process_group, rank
from m3l_core.train.sources import open_sources
from m3l_core.train.trainer import Trainer


def train_in_part(path: str, data: str, out: str, until: str, seconds: str) -> None:
    """Train to the end, before step `until`, or as long as each process may."""
    torch.set_num_threads(1)
    config = from_mapping(TrainConfig, load_yaml(Path(path)), path)
    with process_group():
        trainer = Trainer(
            config, open_sources(Path(data), 'train', labels=config.labels), Path(out)
        )
        trainer.student.decoder.dropout.p = 0.0
        for stage in trainer.student.encoder.stages:
            for block in stage.blocks:
                block.drop_path = 0.0
        steps = int(until) - trainer.step
        limit = float(seconds.split(',')[rank()])
        trainer.run(lambda batches, *_: first(batches, steps), str, seconds=limit)


def train_forked(environment: dict[str, str], said: Path, arguments: list[str]) -> None:
    """Do so in a process that was forked; what goes wrong is written into `said`."""
    os.environ.update(environment)
    try:
        train_in_part(*arguments)
    except Exception:
        said.write_text(traceback.format_exc())


if __name__ == '__main__':
    train_in_part(*sys.argv[1:])
