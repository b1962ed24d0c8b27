"""One training run: steps, when to look and to save, and going on after a stop."""

from __future__ import annotations

import copy
from dataclasses import asdict
import datetime
import time
from typing import Any, TYPE_CHECKING

import numpy as np
import torch

from m3l_core import __version__
from m3l_core.checkpoint import save
from m3l_core.classes import NYU13
from m3l_core.data.batches import Batches
from m3l_core.data.nyuv2 import FRAME, NyuV2
from m3l_core.model_card import ModelCard
from m3l_core.network import Architecture, LinearFusion
from m3l_core.network.inputs import InputEncoder
from m3l_core.train.objective import class_weights, draw_present, supervised_loss
from m3l_core.train.run_folder import RunFolder
from m3l_core.train.schedule import learning_rate, make_optimizer
from m3l_core.train.teacher import follow
from m3l_core.train.validation import validate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from m3l_core.data.batches import Batch
    from m3l_core.data.samples import Samples
    from m3l_core.train.config import TrainConfig

    Track = Callable[[Iterable[Batch], int, int], Iterator[Batch]]
    """Shows progress: batches, steps done, steps in all -> the same batches."""

NYUV2_TERMS = (
    'Weights trained on NYU Depth v2 (Silberman, Hoiem, Kohli, Fergus; ECCV 2012), which its '
    'authors offer for research; check its terms before commercial use.'
)


class Trainer:
    """Trains a network with modality dropout, from scratch, and keeps its running average.

    Args:
        config: The run.
        data: Folder of the data set.
        out: Folder of the run; one that holds an unfinished run of `config` is gone on with.
    """

    def __init__(self, config: TrainConfig, *, data: Path, out: Path) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.folder = RunFolder(out, config)
        self.device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
        self._training = NyuV2(data, config.split)
        self._validation = NyuV2(data, 'val')
        architecture = Architecture.mit(config.encoder, num_classes=len(NYU13))
        self.student = LinearFusion(architecture).to(self.device)
        self.teacher = copy.deepcopy(self.student).eval()
        self._optimizer = make_optimizer(self.student, config.optimizer)
        self._masking = torch.Generator().manual_seed(config.seed)
        self._precision = getattr(torch, config.precision)
        self._weights = class_weights(_count_pixels(self._training)).to(self.device)
        self.step = 0
        self.seconds = 0.0
        self._resume()

    def run(self, track: Track, report: Callable[[str], None]) -> dict[str, float]:
        """Train to the end and return the last validation; `report` gets lines for a person."""
        batches = Batches(
            self._training,
            batch_size=self.config.batch_size,
            size_at=self.config.size_at,
            seed=self.config.seed,
            frame=FRAME,
        )
        steps = batches.stream(self.step, self.config.steps)
        scores: dict[str, float] = {}
        began = time.perf_counter()
        for batch in track(steps, self.step, self.config.steps):
            loss = self._learn(batch)
            self.step += 1
            scores = {}
            last = self.step == self.config.steps
            if self.step % 50 == 0:
                self.folder.log(step=self.step, loss=loss.item(), seconds=round(self.seconds))
            if last or self.step % self.config.validate_every == 0:
                scores = self._validate(report)
            now = time.perf_counter()
            self.seconds, began = self.seconds + now - began, now
            if last or self.step % self.config.save_every == 0:
                self._save(scores)
        return scores or self._validate(report)

    def card(self, scores: dict[str, float]) -> ModelCard:
        """Return the card of the averaged network, with what was measured on validation."""
        return ModelCard(
            name=self.config.name,
            architecture=self.student.architecture,
            classes=NYU13,
            image_size=self.config.image_size,
            network_size=self.config.network_size,
            depth=self.config.depth,
            training={
                'data': f'NYUv2 {self.config.split}, {len(self._training)} images',
                'recipe': asdict(self.config),
                'steps': self.step,
                'pairs': self.step * self.config.batch_size,
                'hours': round(self.seconds / 3600, 2),
                'device': self.device.type,
                'version': __version__,
                'date': datetime.datetime.now(tz=datetime.timezone.utc).date().isoformat(),
            },
            metrics={'val': scores} if scores else {},
            license_note=NYUV2_TERMS,
        )

    def _learn(self, batch: Batch) -> torch.Tensor:
        """Take one step on a batch; return its loss."""
        rate = learning_rate(self.step, self.config.steps, self.config.optimizer)
        for group in self._optimizer.param_groups:
            group['lr'] = rate
        self.student.train()
        present = draw_present(len(batch.labels), self._masking).to(self.device)
        encoder = self._encoder(batch.labels.shape[1:])
        rgb, depth = encoder(batch.rgb.to(self.device), batch.depth_m.to(self.device))
        with torch.autocast(
            self.device.type, self._precision, enabled=self._precision != torch.float32
        ):
            streams = self.student.stream_logits(rgb, depth, present)
            ensemble = self.student.ensemble(streams)
        labels = batch.labels.to(self.device)
        loss = supervised_loss(streams, ensemble, labels, self._weights)
        self._optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.student.parameters(), self.config.optimizer.clip)
        self._optimizer.step()
        follow(self.teacher, self.student, momentum=self.config.ema, step=self.step)
        return loss.detach()

    def _encoder(self, size: tuple[int, ...]) -> InputEncoder:
        return InputEncoder(self.card({}), (size[0], size[1])).to(self.device)

    def _validate(self, report: Callable[[str], None]) -> dict[str, float]:
        encoder = self._encoder(self.config.size_at(self.step - 1))
        scores = validate(self.teacher, encoder, self._validation, precision=self._precision)
        self.folder.log(step=self.step, **scores)
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


def _count_pixels(samples: Samples) -> torch.Tensor:
    """Return how many pixels of each class the labels hold, `(13,)`."""
    counts = np.zeros(256, np.int64)
    for index in range(len(samples)):
        counts += np.bincount(samples[index].labels.ravel(), minlength=256)
    return torch.from_numpy(counts[: len(NYU13)])
