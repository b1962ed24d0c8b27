"""What every run of a benchmark is trained and scored on, as arguments of `m3l`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from m3l_core.errors import ConfigError
from m3l_core.train.sources import open_sources
from m3l_core.train.start import digest_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from m3l_core.benchmark.grid import Run
    from m3l_core.benchmark.run_files import RunFiles
    from m3l_core.evaluate.conventions import Convention

_PRECISION = {'float32': 'float32', 'bfloat16': 'bf16'}
"""What `m3l evaluate` calls the precisions of training."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Images and start; see the arguments of `m3l train`."""

    data: Path
    weights: Path | None = None
    rendered: Path | None = None
    unlabeled: tuple[Path, ...] = ()
    validation: Path | None = None

    def expect_enough(self, runs: Sequence[Run]) -> None:
        """Check that what the runs ask for is there, before the first hour is spent.

        Raises:
            ConfigError: If weights or rendered frames are missing, or given for nothing; or if
                there is no such file or folder.
        """
        self._expect(
            '--weights', self.weights, {r.name for r in runs if r.config.init == 'pretrained'}
        )
        self._expect(
            '--rendered', self.rendered, {r.name for r in runs if max(r.config.rendered_share)}
        )
        paths = [('--data', self.data), ('--weights', self.weights), ('--rendered', self.rendered)]
        paths += [('--unlabeled', path) for path in self.unlabeled]
        for argument, path in (*paths, ('--val', self.validation)):
            if path is not None and not path.exists():
                raise ConfigError(f'{argument}: there is no {path}. Give a path that exists.')

    def expect_unseen_val(self, runs: Sequence[Run]) -> None:
        """Check that no run learns from the images that score it; opens the data sets.

        Raises:
            ConfigError: If one does.
            DataError: If a data set cannot be read.
        """
        asked: dict[tuple[str, str | None], str] = {}
        for run in runs:
            asked.setdefault((run.config.split, run.config.classes), run.name)
        for (split, classes), name in asked.items():
            sources = open_sources(
                self.data,
                split,
                rendered=self.rendered,
                validation=self.validation,
                unlabeled=self.unlabeled,
                classes=classes,
            )
            if sources.learned_from_val_of:
                raise ConfigError(
                    f'split: {name} learns from {split}, in which there are images of val, which '
                    'score it. Say train.'
                )

    @staticmethod
    def _expect(argument: str, given: Path | None, wanted_by: set[str]) -> None:
        if given is None and wanted_by:
            raise ConfigError(f'{argument}: is missing, but {min(wanted_by)} needs it. Give it.')
        if given is not None and not wanted_by:
            raise ConfigError(f'{argument}: is given, but no run of the grid asks for it.')

    def expect_same_start(self, files: Sequence[RunFiles]) -> None:
        """Check that runs on disk began from the weights that new ones would begin from.

        Raises:
            ConfigError: If they began from others.
            ModelError: If those weights cannot be read.
        """
        if self.weights is None:
            return
        digest = digest_of(self.weights)
        for one in files:
            began = one.began_with().get('weights', '')
            if began and one.run.config.init == 'pretrained' and not began.endswith(digest):
                raise ConfigError(
                    f'{one.folder}: began from {began}, but --weights is {self.weights.name} '
                    f'{digest}. Give the same weights, or another --out.'
                )

    def train_arguments(self, files: RunFiles) -> list[str]:
        """Return the command that trains a run, or goes on with it."""
        config = files.run.config
        arguments = ['train', files.config, '--data', self.data, '--out', files.folder]
        if config.init == 'pretrained':
            arguments += ['--weights', self.weights]
        if max(config.rendered_share):
            arguments += ['--rendered', self.rendered]
        if self.unlabeled:
            arguments += ['--unlabeled', *self.unlabeled]
        if self.validation:
            arguments += ['--val', self.validation]
        return list(map(str, arguments))

    def score_arguments(self, files: RunFiles, split: str, convention: Convention) -> list[str]:
        """Return the command that scores what was trained.

        The plain network is scored, as there is one of every fusion, with the precision it was
        trained with; without deployment in between, the numbers are those of training's log.
        """
        counts = files.scored_into(split, convention)
        return [
            *('evaluate', str(files.weights), '--data', str(self.validation or self.data)),
            *('--split', split, '--backend', 'plain'),
            *('--precision', _PRECISION[files.run.config.precision]),
            *('--missing', convention.replacement, '--prediction', convention.prediction),
            *('--counts', str(counts), '--json', str(counts.with_suffix('.json'))),
        ]
