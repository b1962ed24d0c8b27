"""One training run: steps, when to look and to save, and going on after a stop."""

from __future__ import annotations

from dataclasses import asdict
import datetime
import math
import os
import time
from typing import Any, TYPE_CHECKING

import torch

from m3l_core import __version__
from m3l_core.checkpoint import save
from m3l_core.data.batches import Batch, Batches
from m3l_core.errors import ConfigError, TrainingError
from m3l_core.model_card import ModelCard
from m3l_core.train.board import Board
from m3l_core.train.learner import Learner
from m3l_core.train.methods import make_method
from m3l_core.train.objective import class_weights
from m3l_core.train.parallel import gather, rank, world_size
from m3l_core.train.run_folder import RunFolder
from m3l_core.train.start import initial_network
from m3l_core.train.validation import predict, validate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from m3l_core.network import LinearFusion
    from m3l_core.train.config import TrainConfig
    from m3l_core.train.sources import Sources

    Track = Callable[[Iterable[Batch], int, int], Iterator[Batch]]
    """Shows progress: batches, steps done, steps in all -> the same batches."""

_NOTE_EVERY = 50
"""Steps between two points of the curves."""

_PICTURES = 4
"""Validation images that TensorBoard shows."""


class Trainer:
    """Trains a network and keeps its running average.

    Args:
        config: The run.
        sources: The images it sees.
        out: Folder of the run; one that holds an unfinished run of `config` is gone on with.
        weights: Checkpoint to start from, if the configuration says `init: pretrained`.

    Raises:
        ConfigError: If weights are missing, or given but not asked for, or of another network;
            if the method needs unlabeled images and there are none; or if a batch cannot be
            shared evenly among the processes that train together.
    """

    def __init__(
        self, config: TrainConfig, sources: Sources, out: Path, *, weights: Path | None = None
    ) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.sources = sources
        self.classes = sources.training.classes
        if make_method(config.method, config.m3l_plus).unlabeled and not sources.unlabeled:
            raise ConfigError(
                f'method: {config.method} learns from unlabeled images, but there are none. Give '
                'some with --unlabeled, or let `labels` say how many images keep theirs.'
            )
        if config.batch_size % world_size():
            raise ConfigError(
                f'batch_size: {config.batch_size} cannot be shared evenly by {world_size()} '
                'processes. Give a multiple.'
            )
        network, self._start = initial_network(config, self.classes, weights)
        self._architecture = network.architecture
        self.step = 0
        self.seconds = 0.0
        self.learner = Learner(
            config,
            network,
            self.card({}),
            class_weights(sources.count_pixels()),
            torch.device('cuda' if torch.cuda.is_available() else 'cpu'),
        )
        self.folder = self._claim_folder(out)
        self._resume()
        self._saved = self.step
        self._board = (
            Board(out / 'tensorboard', self.classes, step=self.step) if _leads() else None
        )

    @property
    def student(self) -> LinearFusion:
        """The network that is trained."""
        return self.learner.student

    @property
    def teacher(self) -> LinearFusion:
        """Its running average, which is scored and kept."""
        return self.learner.teacher

    def _claim_folder(self, out: Path) -> RunFolder:
        began_with = {
            'images': self.sources.digest(),
            'weights': self._start.name,
            'processes': str(world_size()),
        }
        if not _leads():
            gather(None)  # until the first one has written what the others compare with
        try:
            return RunFolder(out, self.config, began_with, writes=_leads())
        finally:
            if _leads():
                gather(None)

    def run(
        self,
        track: Track,
        report: Callable[[str], None],
        *,
        seconds: float = math.inf,
        asked_to_stop: Callable[[], bool] = lambda: False,
    ) -> dict[str, float]:
        """Train to the end and return the last validation, empty if time ran out before.

        Args:
            track: Shows progress.
            report: Gets lines for a person.
            seconds: Time after which to save and stop.
            asked_to_stop: Whether to save and stop now; only for a process that trains alone.
        """
        steps = self._batches().stream(
            self.step, self.config.steps, threads=min(8, os.cpu_count() or 1)
        )
        scores: dict[str, float] = {}
        started = began = time.perf_counter()
        for batch in track(steps, self.step, self.config.steps):
            loss = self.learner.learn(batch, self.step)
            self.step += 1
            scores = {}
            now = time.perf_counter()
            self.seconds, began = self.seconds + now - began, now
            # The processes' clocks differ, and they have to stop together.
            stop = math.isfinite(seconds) and any(gather(now - started > seconds))
            stop = stop or asked_to_stop()
            last = self.step == self.config.steps
            save = last or stop or self.step % self.config.save_every == 0
            if save or self.step % _NOTE_EVERY == 0:
                self._note(loss.item())
            if last or self.step % self.config.validate_every == 0:
                scores = self._validate(report)
            if save:
                self._save(scores)
            if stop and not last:
                report(self.stopped())
                break
        else:
            scores = scores or self._validate(report)
        if self._board:
            self._board.close()
        return scores

    def stopped(self) -> str:
        """Return where a stop leaves the run."""
        on = f'goes on from step {self._saved}' if self._saved else 'begins again'
        return f'stopped at step {self.step} of {self.config.steps}; the same command {on}.'

    def _batches(self) -> Batches:
        config, method = self.config, self.learner.method
        return Batches(
            samples=self.sources.training,
            rendered=self.sources.rendered,
            unlabeled=self.sources.unlabeled if method.unlabeled else (),
            pairs_of_views=method.pairs_of_views,
            batch_size=config.batch_size,
            size_at=config.size_at,
            rendered_share_at=config.rendered_share_at,
            unlabeled_from=config.unlabeled_from,
            cutmix=config.cutmix,
            seed=config.seed,
            part=(rank(), world_size()),
        )

    def _note(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise TrainingError(
                f'step {self.step}: the loss is {loss}. Train into another --out with a lower lr, '
                'or in float32.'
            )
        if self._board:
            self.folder.log(step=self.step, loss=loss, seconds=round(self.seconds))
            numbers = {'loss': loss, 'lr': self.learner.rate}
            self._board.numbers('train', numbers, step=self.step)

    def card(self, scores: dict[str, float]) -> ModelCard:
        """Return the card of the averaged network, with what was measured on validation."""
        return ModelCard(
            name=self.config.name,
            architecture=self._architecture,
            classes=self.classes,
            image_size=self.config.image_size,
            network_size=self.config.network_size,
            depth=self.config.depth,
            training={
                'data': self.sources.describe(),
                'learned_from_val_of': self.sources.learned_from_val_of,
                'start': self._start.name,
                'recipe': asdict(self.config),
                'steps': self.step,
                'labeled_views': self.step * self.config.batch_size,
                'pairs': self.config.pairs_until(self.step),
                'hours': round(self.seconds / 3600, 2),
                'device': 'cuda' if torch.cuda.is_available() else 'cpu',
                'version': __version__,
                'date': datetime.datetime.now(tz=datetime.timezone.utc).date().isoformat(),
            },
            metrics={'val': scores} if scores and not self.sources.learned_from_val_of else {},
            license_note=self.sources.terms(self._start.terms),
        )

    def _validate(self, report: Callable[[str], None]) -> dict[str, float]:
        card, validation = self.card({}), self.sources.validation
        precision = getattr(torch, self.config.precision)
        scores = validate(self.teacher, card, validation, precision=precision)
        if not self._board:
            return scores
        self.folder.log(step=self.step, **scores)
        self._board.numbers('val', scores, step=self.step)
        for index in range(0, len(validation), -(-len(validation) // _PICTURES)):
            labels = predict(self.teacher, card, validation[index], precision=precision)
            self._board.prediction(validation[index], labels, step=self.step)
        text = ', '.join(f'{name} {value:.1f}' for name, value in scores.items())
        report(f'step {self.step}: val mIoU % {text}')
        return scores

    def _save(self, scores: dict[str, float]) -> None:
        state: dict[str, Any] = {
            'step': self.step,
            'seconds': self.seconds,
            **self.learner.state(),
        }
        if _leads():
            # Weights first: killed in between, the run takes these steps again and writes both.
            save(self.folder.weights, self.teacher, self.card(scores))
            self.folder.save_state(state)
        self._saved = self.step

    def _resume(self) -> None:
        state = self.folder.load_state()
        if state is not None:
            self.step, self.seconds = state['step'], state['seconds']
            self.learner.load_state(state)
            self.folder.forget_after(self.step)
        if len(set(gather(self.step))) > 1:
            raise ConfigError(
                f'{self.folder.path}: the processes find different states in it. Give an --out '
                'that all machines share.'
            )


def _leads() -> bool:
    """Return whether this process writes and speaks."""
    return rank() == 0
