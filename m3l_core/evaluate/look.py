"""What was asked of an evaluation: which form of the network, and which tables beside the first.

An engine does what robots do. Whatever else is asked for needs the network as training has it.
"""

from __future__ import annotations

from dataclasses import dataclass
import sys
from typing import Any, TYPE_CHECKING

from m3l_core.errors import ConfigError
from m3l_core.evaluate.conventions import Convention, DEPLOYED
from m3l_core.evaluate.record import read_card
from m3l_core.evaluate.scoring import Robustness
from m3l_core.evaluate.weights import load_plain

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from torch import Tensor

    from m3l_core.data.folder import Folder
    from m3l_core.data.samples import Sample
    from m3l_core.evaluate.weights import Network, Which
    from m3l_core.runtime import Engine

_PLAIN_BACKENDS = ('auto', 'plain')


@dataclass(frozen=True, kw_only=True)
class Look:
    """One evaluation as it was asked for.

    Attributes:
        model: The model file.
        data: The data set.
        split: Which of its images.
        backend: An engine, 'plain' or 'auto'.
        precision: What it computes in.
        which: Of a training run, the teacher or the student.
        convention: What is done about a missing image.
        conventions: Whether a table of all conventions is wanted.
        noise: Whether one of missing and noisy values is.
    """

    model: Path
    data: Path
    split: str
    backend: str = 'auto'
    precision: str = 'auto'
    which: Which = 'teacher'
    convention: Convention = DEPLOYED
    conventions: bool = False
    noise: bool = False

    def plain_network(self) -> Network | None:
        """Return the network as training has it if what is asked for needs it.

        Raises:
            ConfigError: If an engine is asked for as well.
            ModelError: If there are no such weights, or they cannot be read.
        """
        reasons = {
            '--missing': self.convention.replacement != DEPLOYED.replacement,
            '--prediction': self.convention.prediction != DEPLOYED.prediction,
            '--conventions': self.conventions,
            '--noise': self.noise,
            '--which student': self.which == 'student',
            'a fusion that is not linear': read_card(self.model).architecture.fusion != 'linear',
        }
        asked = [reason for reason, given in reasons.items() if given]
        if self.backend not in _PLAIN_BACKENDS and asked:
            raise ConfigError(
                f'--backend: expected plain for {" and ".join(asked)}, got {self.backend}. '
                'Leave it out.'
            )
        if self.backend != 'plain' and not asked:
            return None
        return load_plain(self.model, self.which)

    def open(self, plain: Network | None) -> Engine:
        """Return what is scored: `plain` from `plain_network`, or else an engine."""
        if plain is None:
            from m3l_core.runtime import open_engine
            from m3l_core.runtime.cache_folder import cache_folder_if_any

            return open_engine(
                self.model,
                self.backend,
                precision=self.precision,
                cache_dir=cache_folder_if_any(_say),
                say=_say,
                warn=_say,
            )
        from m3l_core.evaluate.plain import PlainEngine

        return PlainEngine(
            *plain,
            convention=self.convention,
            means=self._means(plain) if self.convention.replacement == 'mean' else None,
            precision=self.precision,
        )

    def robustness(self, plain: Network | None, samples: Folder) -> Robustness:
        """Return the scores of the further tables that were asked for."""
        robustness = Robustness()
        if plain is None:
            return robustness
        from m3l_core.evaluate.robustness import score_conventions, score_corruptions

        if self.conventions:
            means = self._means(plain)
            images = tracked(samples, 'conventions of missing')
            robustness.conventions = score_conventions(
                *plain, images, means, scenes=samples.scenes, precision=self.precision
            )
        if self.noise:
            images = tracked(samples, 'missing and noisy values')
            robustness.corruptions = score_corruptions(*plain, images, precision=self.precision)
        return robustness

    def about(self, engine: Engine, data: str) -> dict[str, Any]:
        """Return what was scored, and how; `data` is what the data set is called."""
        return {
            'model': self.model.name + (' (student)' if self.which == 'student' else ''),
            'data': data,
            'engine': f'{engine.backend} {engine.precision}',
            'missing': str(self.convention),
        }

    def _means(self, plain: Network) -> tuple[Tensor, Tensor]:
        from m3l_core.evaluate.floor import training_of
        from m3l_core.evaluate.plain import mean_inputs

        _, card = plain
        training = training_of(self.data, self.split, card.classes)
        return mean_inputs(tracked(training, 'mean of the training images'), card)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def tracked(samples: Folder, what: str) -> Iterable[Sample]:
    """Return the samples, each once, with a bar that is called `what`."""
    from rich.markup import escape
    from rich.progress import track

    return track(samples.once(), escape(what), total=len(samples))
