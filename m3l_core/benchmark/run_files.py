"""What one run of a benchmark leaves on disk, and whether it is what the grid asks for."""

from __future__ import annotations

from dataclasses import asdict
import json
from typing import Any, TYPE_CHECKING

import yaml

from m3l_core.config import load_yaml
from m3l_core.errors import ConfigError, ModelError
from m3l_core.evaluate.image_counts import ImageCounts
from m3l_core.files import write_atomically
from m3l_core.train.methods import METHODS
from m3l_core.weights_file import read_weights_card, weights_sha256

if TYPE_CHECKING:
    from pathlib import Path

    from m3l_core.benchmark.grid import Run
    from m3l_core.evaluate.conventions import Convention
    from m3l_core.model_card import ModelCard

_BEGAN_WITH = ('images', 'weights', 'processes')
"""What training notes beside the configuration."""


class RunFiles:
    """The files of one run, below the benchmark's folder.

    Args:
        out: The folder of the benchmark.
        run: The run.
    """

    def __init__(self, out: Path, run: Run) -> None:
        self.run = run
        self.folder = out / 'runs' / run.name
        self.weights = self.folder / f'{run.name}.safetensors'
        self.config = out / 'configs' / f'{run.name}.yaml'
        """What `m3l train` is given."""
        self.output = out / 'logs' / f'{run.name}.log'
        """What training and scoring print."""
        self._error = out / 'logs' / f'{run.name}.error'
        self._code = self.folder / 'code.txt'

    def began_with(self) -> dict[str, str]:
        """Return what the run began with beside its configuration; empty before it began.

        Raises:
            ConfigError: If it began with another configuration, naming what differs.
        """
        path = self.folder / 'config.yaml'
        if not path.exists():
            return {}
        stored = load_yaml(path)
        began_with = {key: str(stored.pop(key)) for key in _BEGAN_WITH if key in stored}
        before, asked = _flat(stored), _flat(self._values())
        changed = [
            f'{key}: {before.get(key)!r} instead of {asked.get(key)!r}'
            for key in sorted(before.keys() | asked.keys())
            if before.get(key) != asked.get(key) and self._matters(key)
        ]
        if changed:
            raise ConfigError(
                f'{self.folder}: holds a run that the grid does not ask for, with '
                f'{", ".join(changed)}. Give another --out, or the grid it was made by.'
            )
        return began_with

    def _matters(self, key: str) -> bool:
        """Return whether a value can make a difference; switches of another method cannot."""
        method, switches_of = self.run.config.method, key.partition('.')[0]
        return switches_of not in METHODS or switches_of == method

    def _values(self) -> dict[str, Any]:
        """Return the configuration as YAML has it."""
        values: dict[str, Any] = json.loads(json.dumps(asdict(self.run.config)))
        return values

    def card(self) -> ModelCard | None:
        """Return the card of the trained network, None before the last step."""
        if not self.weights.exists():
            return None
        card = read_weights_card(self.weights)
        return card if card.training.get('steps') == self.run.config.steps else None

    def progress(self) -> tuple[int, float]:
        """Return the step of the last line of the log, and the seconds trained until there."""
        step, seconds = 0, 0.0
        path = self.folder / 'log.jsonl'
        if path.exists():
            for line in path.read_text(encoding='utf-8').splitlines():
                try:
                    values = json.loads(line)
                except ValueError:  # the line that is being written
                    break
                step, seconds = values['step'], values.get('seconds', seconds)
        return step, seconds

    def scored_into(self, split: str, convention: Convention) -> Path:
        """Return where scoring writes counts, before `keep` ties them to the weights."""
        return self.folder / f'{split}_{convention.replacement}_{convention.prediction}.npz'

    def keep(self, split: str, convention: Convention) -> None:
        """Tie what scoring wrote to the weights: counts of other weights are never taken."""
        written, kept = self.scored_into(split, convention), self.counts_path(split, convention)
        written.with_suffix('.json').replace(kept.with_suffix('.json'))
        written.replace(kept)  # last, as it says that all is there

    def counts_path(self, split: str, convention: Convention) -> Path:
        """Return where the counts are that these weights gave on a split.

        Raises:
            ModelError: If the weights cannot be read.
        """
        try:
            digest = weights_sha256(self.weights.read_bytes())[:12]
        except (OSError, ValueError) as error:
            raise ModelError(f'{self.weights}: cannot be read: {error}.') from error
        written = self.scored_into(split, convention)
        return written.with_name(f'{written.stem}_{digest}.npz')

    def counts(self, split: str, convention: Convention) -> ImageCounts | None:
        """Return the confusion counts of every image of a split; None before it is scored."""
        if self.card() is None:
            return None
        path = self.counts_path(split, convention)
        return ImageCounts.load(path) if path.exists() else None

    def floor(self, split: str, convention: Convention) -> float | None:
        """Return the mIoU in percent of looking at nothing, as noted when it was scored."""
        path = self.counts_path(split, convention).with_suffix('.json')
        floor = json.loads(path.read_bytes()).get('floor') if path.exists() else None
        return None if floor is None else float(floor)

    def begin(self, code: str) -> None:
        """Write the configuration, and note with which state of the code is trained."""
        write_atomically(self.config, yaml.safe_dump(self._values(), sort_keys=False).encode())
        codes = list(dict.fromkeys((*self.codes(), code)))
        write_atomically(self._code, ''.join(f'{line}\n' for line in codes).encode())

    def codes(self) -> list[str]:
        """Return the states of the code that the run was trained with, in order."""
        exists = self._code.exists()
        return self._code.read_text(encoding='utf-8').splitlines() if exists else []

    def fail(self, error: str) -> None:
        """Keep why training or scoring failed, until it is tried again."""
        write_atomically(self._error, error.encode())

    def try_again(self) -> None:
        """Forget that it failed."""
        self._error.unlink(missing_ok=True)

    def error(self) -> str:
        """Return why the last attempt failed, empty if it did not."""
        return self._error.read_text(encoding='utf-8') if self._error.exists() else ''


def expect_comparable(files: list[RunFiles]) -> None:
    """Check that finished and begun runs differ in nothing but what the grid says.

    Raises:
        ConfigError: If one began with another configuration, or two of the same labels and seed
            with other images, or from other weights.
    """
    first: dict[tuple[object, ...], tuple[RunFiles, str]] = {}
    for one in files:
        run = one.run
        for key, value in one.began_with().items():
            alike: tuple[object, ...] = (key,)
            if key == 'images':
                alike = (key, run.labels, run.seed, run.config.split)
            elif key == 'weights':
                alike = (key, run.config.init)
            other, theirs = first.setdefault(alike, (one, value))
            if theirs != value:
                raise ConfigError(
                    f'{one.folder}: began with {key} {value}, but {other.run.name} with {theirs}. '
                    'What differs in more than the method cannot be compared: give another --out.'
                )


def _flat(values: dict[str, Any], prefix: str = '') -> dict[str, Any]:
    """Return nested mappings as one, with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f'{prefix}{key}.')
        else:
            flat[f'{prefix}{key}'] = value
    return flat
