"""What one training run leaves on disk: its configuration, log, state to go on from, weights."""

from __future__ import annotations

from dataclasses import asdict
import errno
import fcntl
import io
import json
import math
from typing import Any, IO, TYPE_CHECKING

import torch
import yaml

from m3l_core.checkpoint import load_tensors
from m3l_core.config import load_yaml
from m3l_core.errors import ConfigError, M3lError
from m3l_core.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from m3l_core.train.config import TrainConfig


class RunFolder:
    """The files of one run.

    Args:
        path: The folder.
        config: What the run is.
        began_with: What else must be the same for the run to go on, such as its images.
        writes: Whether this process writes into it; no other one may then, until it ends.

    Raises:
        ConfigError: If the folder holds a run of another configuration, or of other images, or
            another process writes into it.
        M3lError: If it cannot be written into.
    """

    def __init__(
        self, path: Path, config: TrainConfig, began_with: dict[str, str], *, writes: bool = True
    ) -> None:
        self.path = path
        self._lock = _locked(path) if writes else None
        self.weights = path / f'{config.name}.safetensors'
        self._state = path / 'state.pt'
        self._log = path / 'log.jsonl'
        self._claim(path / 'config.yaml', json.loads(json.dumps(asdict(config))) | began_with)

    def _claim(self, path: Path, values: dict[str, Any]) -> None:
        """Note the configuration, or check that it is the one the run began with."""
        if not path.exists():
            write_atomically(path, yaml.safe_dump(values, sort_keys=False).encode())
            return
        before = load_yaml(path)
        changed = [
            key for key in values.keys() | before.keys() if values.get(key) != before.get(key)
        ]
        if changed:
            raise ConfigError(
                f'{self.path}: holds a run with other values of {", ".join(sorted(changed))}. '
                'Give another --out, or what it began with.'
            )

    def log(self, **values: object) -> None:
        """Append one line of JSON."""
        try:
            with self._log.open('a', encoding='utf-8') as file:
                file.write(json.dumps(values) + '\n')
        except OSError as error:
            raise M3lError(f'{self._log}: cannot be written: {error.strerror}.') from error

    def forget_after(self, step: int) -> None:
        """Drop the lines about steps that will be taken again."""
        if self._log.exists():
            lines = self._log.read_text(encoding='utf-8').splitlines(keepends=True)
            kept = [line for line in lines if _step_of(line) <= step]
            write_atomically(self._log, ''.join(kept).encode())

    def save_state(self, state: dict[str, Any]) -> None:
        """Write what is needed to go on from here, whole or not at all."""
        file = io.BytesIO()
        torch.save(state, file)
        write_atomically(self._state, file.getvalue())

    def load_state(self) -> dict[str, Any] | None:
        """Return what `save_state` wrote last, or None at the start of a run.

        Raises:
            ModelError: If the file is damaged.
        """
        return load_tensors(self._state) if self._state.exists() else None


def _locked(folder: Path) -> IO[bytes]:
    """Return a file that no other process can lock while this one lives, however it ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / '.lock').open('ab')
    except OSError as error:
        raise M3lError(
            f'{folder}: cannot be written into: {error.strerror}. Give another --out.'
        ) from error
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):  # else a file system without locks
            file.close()
            raise ConfigError(
                f'{folder}: another training is at work in it. Wait until it has ended, or give '
                'another --out.'
            ) from None
    return file


def _step_of(line: str) -> float:
    """Return the step that a line is about; a torn line, which a power cut leaves, is of none."""
    try:
        return float(json.loads(line)['step'])
    except (ValueError, KeyError, TypeError):
        return math.inf
