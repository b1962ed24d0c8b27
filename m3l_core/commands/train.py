"""Train a network on labelled images.

A run that was stopped, by Ctrl-C or a power cut, goes on where it last saved when the same
command is given again. Example:

  m3l train config/train/nyuv2_b0.yaml --data nyuv2
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

    from m3l_core.data.batches import Batch


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('config', type=Path, help='YAML file, such as config/train/nyuv2_b0.yaml')
    parser.add_argument('--data', type=Path, required=True, help='folder of the data set')
    parser.add_argument('--out', type=Path, help='folder of the run (default: runs/NAME)')


def run(arguments: argparse.Namespace) -> int:
    """Train to the end; print where the weights are."""
    from m3l_core.config import from_mapping, load_yaml
    from m3l_core.train.config import TrainConfig
    from m3l_core.train.trainer import Trainer

    config = from_mapping(TrainConfig, load_yaml(arguments.config), str(arguments.config))
    out = arguments.out or Path('runs') / config.name
    trainer = Trainer(config, data=arguments.data, out=out)
    if trainer.step:
        print(f'{out}: going on from step {trainer.step} of {config.steps}.')
    trainer.run(_track, print)
    print(f'weights: {trainer.folder.weights}')
    return 0


def _track(batches: Iterable[Batch], done: int, total: int) -> Iterator[Batch]:
    """Yield the batches under a progress bar with speed and time left."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn('training'),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn('left'),
        TimeRemainingColumn(),
    )
    with Progress(*columns) as progress:
        task = progress.add_task('training', total=total, completed=done)
        for batch in batches:
            yield batch
            progress.advance(task)
