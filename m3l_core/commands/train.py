r"""Train a network on labeled images, and on images without labels.

The YAML file says how; config/train holds examples, see docs/training.md too. Its `method` is one
of these: supervised and supervised_dropout learn from labels alone; mean_teacher,
mean_teacher_dropout, cps, m3l and m3l_plus also from images without. Those are given with
--unlabeled, or are what `labels: 99` leaves over, which takes the labels from all but 99 images.

Ctrl-C saves and stops; a second one, or a power cut, loses what came after `save_every`. The same
command goes on where it last saved. Curves: tensorboard --logdir runs. Examples:

  m3l train config/train/rooms_b0.yaml --data rooms
  m3l train config/train/fine_tune_b0.yaml --data my_images --weights nyuv2_b0
  m3l train config/train/few_labels_b0.yaml --data my_images --unlabeled extracted \
      --weights nyuv2_b0
  torchrun --nproc-per-node 4 -m m3l_core train config/train/rooms_b0.yaml --data rooms
"""

from __future__ import annotations

from pathlib import Path
import sys
from typing import TYPE_CHECKING

from m3l_core.models import shipped_weights

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator

    from m3l_core.data.batches import Batch
    from m3l_core.train.trainer import Track, Trainer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('config', type=Path, help='YAML file, such as config/train/nyuv2_b0.yaml')
    parser.add_argument('--data', type=Path, required=True, help='labeled images, see m3l data')
    parser.add_argument(
        '--rendered', type=Path, help='frames of m3l rooms to mix in, as rendered_share says'
    )
    parser.add_argument(
        '--unlabeled',
        type=Path,
        nargs='+',
        default=[],
        metavar='IMAGES',
        help='images to learn from without labels, such as m3l extract writes; of a data set with '
        'images for validation or test, the others',
    )
    parser.add_argument(
        '--val', type=Path, help='data set whose val split is scored (default: that of --data)'
    )
    parser.add_argument(
        '--weights',
        type=_checkpoint,
        help='checkpoint to start from, with init: pretrained; a file, the name of one that comes '
        f'with the package ({", ".join(shipped_weights())}), or the .pth of a Mix Transformer '
        'that was trained on ImageNet',
    )
    parser.add_argument('--out', type=Path, help='folder of the run (default: runs/NAME)')
    parser.add_argument(
        '--minutes', type=float, default=float('inf'), help='save and stop after so long'
    )


def run(arguments: argparse.Namespace) -> int:
    """Train to the end; print where the weights are."""
    import cv2

    from m3l_core.config import from_mapping, load_yaml
    from m3l_core.errors import ConfigError
    from m3l_core.train.config import TrainConfig
    from m3l_core.train.parallel import process_group, rank
    from m3l_core.train.sources import open_sources
    from m3l_core.train.trainer import Trainer

    if not arguments.minutes > 0:
        raise ConfigError(f'--minutes: expected more than 0, got {arguments.minutes:g}.')
    cv2.setNumThreads(1)  # batches are made by threads of ours
    config = from_mapping(TrainConfig, load_yaml(arguments.config), str(arguments.config))
    out = arguments.out or Path('runs') / config.name
    if (arguments.rendered is None) != (max(config.rendered_share) == 0):
        raise ConfigError(
            f'rendered_share: is {list(config.rendered_share)}, but --rendered is '
            f'{"missing" if arguments.rendered is None else "given"}. Make both agree.'
        )
    with process_group():
        sources = open_sources(
            arguments.data,
            config.split,
            rendered=arguments.rendered,
            validation=arguments.val,
            unlabeled=arguments.unlabeled,
            classes=config.classes,
            labels=config.labels,
            seed=config.seed,
        )
        trainer = Trainer(config, sources, out, weights=arguments.weights)
        say, track = (print, _track(config.batch_size)) if rank() == 0 else (_nothing, _silent)
        if sources.learned_from_val_of:
            say(
                f'images of {sources.learned_from_val_of} val are among those learned from: '
                'scores on val say nothing of other images.'
            )
        if trainer.step:
            say(f'{out}: going on from step {trainer.step} of {config.steps}.')
        _train(trainer, track, say, arguments.minutes * 60)
        say(f'weights: {trainer.folder.weights}')
    return 0


def _train(trainer: Trainer, track: Track, say: Callable[[str], None], seconds: float) -> None:
    """Train; Ctrl-C ends in a line that says where the run stands.

    Raises:
        KeyboardInterrupt: If it was pressed before the last step.
    """
    from m3l_core.train.interruption import first_interrupt_asks
    from m3l_core.train.parallel import rank

    with first_interrupt_asks() as asked:
        try:
            trainer.run(track, say, seconds=seconds, asked_to_stop=asked)
        except KeyboardInterrupt:
            if rank() == 0:
                print(f'm3l: {trainer.stopped()}', file=sys.stderr)
            raise
        if asked() and trainer.step < trainer.config.steps:
            raise KeyboardInterrupt


def _nothing(line: str) -> None:
    """Say nothing: the first of several processes speaks for all."""


def _silent(batches: Iterable[Batch], done: int, total: int) -> Iterator[Batch]:
    """Show no progress."""
    del done, total
    yield from batches


def _checkpoint(text: str) -> Path:
    """Return the file of a checkpoint that is shipped under this name, else the path itself."""
    return shipped_weights().get(text, Path(text))


def _track(batch_size: int) -> Track:
    """Return what shows a progress bar with pairs per second and time left."""

    def track(batches: Iterable[Batch], done: int, total: int) -> Iterator[Batch]:
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
            TextColumn('{task.fields[rate]}'),
            TimeElapsedColumn(),
            TextColumn('left'),
            TimeRemainingColumn(),
        )
        with Progress(*columns) as progress:
            task = progress.add_task('training', total=total, completed=done, rate='')
            for batch in batches:
                yield batch
                progress.advance(task)
                speed = progress.tasks[0].speed
                if speed:
                    progress.update(task, rate=f'{speed * batch_size:.1f} pairs/s')

    return track
