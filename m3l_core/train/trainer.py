"""One training run: steps, when to look and to save, and going on after a stop."""

from __future__ import annotations

import copy
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
from m3l_core.errors import TrainingError
from m3l_core.model_card import ModelCard
from m3l_core.network.inputs import InputEncoder
from m3l_core.train.board import Board
from m3l_core.train.objective import class_weights, draw_present, supervised_loss
from m3l_core.train.run_folder import RunFolder
from m3l_core.train.schedule import make_optimizer, set_rate
from m3l_core.train.start import initial_network
from m3l_core.train.teacher import follow
from m3l_core.train.validation import predict, validate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from m3l_core.train.config import TrainConfig
    from m3l_core.train.sources import Sources

    Track = Callable[[Iterable[Batch], int, int], Iterator[Batch]]
    """Shows progress: batches, steps done, steps in all -> the same batches."""

_NOTE_EVERY = 50
"""Steps between two points of the curves."""

_PICTURES = 4
"""Validation images that TensorBoard shows."""


class Trainer:
    """Trains a network with modality dropout and keeps its running average.

    Args:
        config: The run.
        sources: The images it sees.
        out: Folder of the run; one that holds an unfinished run of `config` is gone on with.
        weights: Checkpoint to start from, if the configuration says `init: pretrained`.

    Raises:
        ConfigError: If weights are missing, or given but not asked for, or of another network.
    """

    def __init__(
        self, config: TrainConfig, sources: Sources, out: Path, *, weights: Path | None = None
    ) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.sources = sources
        self.classes = sources.training.classes
        self.device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
        network, self._start = initial_network(config, self.classes, weights)
        self.student = network.to(self.device)
        self.teacher = copy.deepcopy(self.student).eval()
        self._optimizer = make_optimizer(self.student, config.schedule)
        self._masking = torch.Generator().manual_seed(config.seed)
        self._precision = getattr(torch, config.precision)
        self._weights = class_weights(sources.count_pixels()).to(self.device)
        began_with = {'images': sources.digest(), 'weights': self._start.name}
        self.folder = RunFolder(out, config, began_with)
        self.step = 0
        self.seconds = 0.0
        self._resume()
        self._board = Board(out / 'tensorboard', self.classes, step=self.step)

    def run(
        self, track: Track, report: Callable[[str], None], *, seconds: float = math.inf
    ) -> dict[str, float]:
        """Train to the end and return the last validation, empty if time ran out before.

        Args:
            track: Shows progress.
            report: Gets lines for a person.
            seconds: Time after which to save and stop.
        """
        steps = self._batches().stream(
            self.step, self.config.steps, threads=min(8, os.cpu_count() or 1)
        )
        scores: dict[str, float] = {}
        started = began = time.perf_counter()
        for batch in track(steps, self.step, self.config.steps):
            loss = self._learn(batch)
            self.step += 1
            scores = {}
            last = self.step == self.config.steps
            if last or self.step % _NOTE_EVERY == 0:
                self._note(loss.item())
            if last or self.step % self.config.validate_every == 0:
                scores = self._validate(report)
            now = time.perf_counter()
            self.seconds, began = self.seconds + now - began, now
            stop = now - started > seconds
            if last or stop or self.step % self.config.save_every == 0:
                self._save(scores)
            if stop and not last:
                report(f'step {self.step}: stopped as asked; the same command goes on.')
                break
        else:
            scores = scores or self._validate(report)
        self._board.close()
        return scores

    def _batches(self) -> Batches:
        return Batches(
            samples=self.sources.training,
            rendered=self.sources.rendered,
            batch_size=self.config.batch_size,
            size_at=self.config.size_at,
            rendered_share_at=self.config.rendered_share_at,
            cutmix=self.config.cutmix,
            seed=self.config.seed,
        )

    def _note(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise TrainingError(
                f'step {self.step}: the loss is {loss}. Train into another --out with a lower lr, '
                'or in float32.'
            )
        self.folder.log(step=self.step, loss=loss, seconds=round(self.seconds))
        rate = self._optimizer.param_groups[0]['lr']
        self._board.numbers('train', {'loss': loss, 'lr': rate}, step=self.step)

    def card(self, scores: dict[str, float]) -> ModelCard:
        """Return the card of the averaged network, with what was measured on validation."""
        return ModelCard(
            name=self.config.name,
            architecture=self.student.architecture,
            classes=self.classes,
            image_size=self.config.image_size,
            network_size=self.config.network_size,
            depth=self.config.depth,
            training={
                'data': self.sources.describe(),
                'start': self._start.name,
                'recipe': asdict(self.config),
                'steps': self.step,
                'pairs': self.step * self.config.batch_size,
                'hours': round(self.seconds / 3600, 2),
                'device': self.device.type,
                'version': __version__,
                'date': datetime.datetime.now(tz=datetime.timezone.utc).date().isoformat(),
            },
            metrics={'val': scores} if scores and not self.sources.scores_what_it_learns else {},
            license_note=self.sources.terms(self._start.terms),
        )

    def _learn(self, batch: Batch) -> torch.Tensor:
        """Take one step on a batch; return its loss."""
        self.student.train()
        batch = Batch(*(tensor.to(self.device) for tensor in batch))
        present = draw_present(len(batch.labels), self._masking).to(self.device)
        encoder = self._encoder(batch.labels.shape[1:])
        rgb, depth = encoder(batch.rgb, batch.depth_m)
        with torch.autocast(
            self.device.type, self._precision, enabled=self._precision != torch.float32
        ):
            streams = self.student.stream_logits(rgb, depth, present)
            ensemble = self.student.ensemble(streams)
        loss = supervised_loss(streams, ensemble, batch.labels, self._weights)
        schedule = self.config.schedule
        set_rate(self._optimizer, self.step, self.config.steps, schedule)
        self._optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.student.parameters(), schedule.clip)
        self._optimizer.step()
        follow(self.teacher, self.student, momentum=self.config.ema, step=self.step)
        return loss.detach()

    def _encoder(self, size: tuple[int, ...]) -> InputEncoder:
        return InputEncoder(self.card({}), (size[0], size[1])).to(self.device)

    def _validate(self, report: Callable[[str], None]) -> dict[str, float]:
        card, validation = self.card({}), self.sources.validation
        scores = validate(self.teacher, card, validation, precision=self._precision)
        self.folder.log(step=self.step, **scores)
        self._board.numbers('val', scores, step=self.step)
        for index in range(0, len(validation), -(-len(validation) // _PICTURES)):
            labels = predict(self.teacher, card, validation[index], precision=self._precision)
            self._board.prediction(validation[index], labels, step=self.step)
        text = ', '.join(f'{name} {value:.1f}' for name, value in scores.items())
        report(f'step {self.step}: val mIoU % {text}')
        return scores

    def _save(self, scores: dict[str, float]) -> None:
        state: dict[str, Any] = {
            'step': self.step,
            'seconds': self.seconds,
            'student': self.student.state_dict(),
            'teacher': self.teacher.state_dict(),
            'optimizer': self._optimizer.state_dict(),
            'masking': self._masking.get_state(),
            'torch': torch.get_rng_state(),
            'cuda': torch.cuda.get_rng_state_all(),
        }
        self.folder.save_state(state)
        save(self.folder.weights, self.teacher, self.card(scores))

    def _resume(self) -> None:
        state = self.folder.load_state()
        if state is None:
            return
        self.step, self.seconds = state['step'], state['seconds']
        self.student.load_state_dict(state['student'])
        self.teacher.load_state_dict(state['teacher'])
        self._optimizer.load_state_dict(state['optimizer'])
        self._masking.set_state(state['masking'])
        torch.set_rng_state(state['torch'])
        torch.cuda.set_rng_state_all(state['cuda'])
