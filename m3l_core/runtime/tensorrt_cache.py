"""Engine files: kept under their key with a record beside them, whole or not used.

For each engine a folder holds, under the model's name and the first digits of the key,

    NAME-KEY.engine   what TensorRT built
    NAME-KEY.json     the record: key, hash of the engine, machine, settings, parity
    NAME-KEY.lock     held alone by who builds it, together by those who open it

The record is written after the engine and has its hash, so a process that is killed between the
two, or a copy that was cut off, leaves an engine that is seen to be damaged.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timezone
import fcntl
from glob import escape
import json
from typing import Any, BinaryIO, TYPE_CHECKING

from m3l_core.errors import EngineError, M3lError, ModelError
from m3l_core.files import write_atomically
from m3l_core.runtime.tensorrt_key import (
    BuildSettings,
    engine_key,
    FORMAT,
    sha256,
    TensorRtPrecision,
    timing_key,
)
from m3l_core.runtime.tensorrt_toolkit import StaleEngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from m3l_core.runtime.tensorrt_key import Machine

_DIGITS_IN_NAME = 16


class EngineFile:
    """The engine of one model for one machine: where it is kept and what is known of it.

    Args:
        folder: Where engines are kept; need not exist yet.
        model: The exported network it is made from.
        machine: What it shall run on.
        precision: What it shall compute in.

    Attributes:
        path: Of the engine.
        key: What it must have been built under.
    """

    def __init__(
        self, folder: Path, model: Path, machine: Machine, precision: TensorRtPrecision
    ) -> None:
        self.model = model
        self.precision = precision
        self._machine = machine
        self._model_sha256 = sha256(model.read_bytes())
        self.key = engine_key(self._model_sha256, precision, machine)
        name = f'{model.stem}-{self.key[:_DIGITS_IN_NAME]}'
        self.path = folder / f'{name}.engine'
        self._record_path = folder / f'{name}.json'
        self._lock_path = folder / f'{name}.lock'
        self._timing_path = folder / f'timing-{timing_key(machine)[:_DIGITS_IN_NAME]}.cache'

    def read(self) -> bytes:
        """Return the engine, after seeing that it is whole and was built under its key.

        Raises:
            StaleEngineError: Naming what is wrong with it.
            EngineError: If it may not be read.
        """
        record = self.record()
        if not record or not self.path.is_file():
            raise StaleEngineError(f'{self.path}: no such engine{self._others()}.')
        if record.get('key') != self.key:
            raise StaleEngineError(
                f'{self.path}: was built for another model, machine or version'
                f'{self._difference(record)}.'
            )
        plan = read_bytes(self.path)
        if sha256(plan) != record.get('engine_sha256'):
            raise StaleEngineError(
                f'{self.path}: is damaged: expected the {record.get("engine_bytes")} bytes that '
                f'were built, got {len(plan)} with another hash.'
            )
        return plan

    def model_bytes(self) -> bytes:
        """Return the model, as long as it is the one that the key was made for.

        Raises:
            ModelError: If it changed meanwhile.
        """
        data = self.model.read_bytes()
        if sha256(data) != self._model_sha256:
            raise ModelError(f'{self.model}: changed meanwhile. Start again.')
        return data

    def built(self) -> tuple[object, object]:
        """Return what another build changes: when it was, and what came of it."""
        record = self.record()
        return record.get('built'), record.get('engine_sha256')

    def record(self) -> dict[str, Any]:
        """Return what is recorded of the engine, empty if nothing readable is."""
        return _read_record(self._record_path)

    def settings_differ(self, settings: BuildSettings) -> str:
        """Return which settings the engine was built with, '' if they are these."""
        built = self.record().get('settings')
        wanted = asdict(settings)
        if not isinstance(built, dict) or built == wanted:
            return ''
        different = (name for name in wanted if built.get(name) != wanted[name])
        return ', '.join(f'{name} {built.get(name)}, not {wanted[name]}' for name in different)

    def store(self, plan: bytes, settings: BuildSettings, **facts: object) -> None:
        """Write an engine and its record; `facts` are told in it as they are.

        Raises:
            EngineError: If it cannot be written.
        """
        record = {
            'format': FORMAT,
            'key': self.key,
            'model': self.model.name,
            'model_sha256': self._model_sha256,
            'machine': asdict(self._machine),
            'settings': asdict(settings),
            'engine_sha256': sha256(plan),
            'engine_bytes': len(plan),
            'built': datetime.now(timezone.utc).isoformat(timespec='seconds'),
            **facts,
            'parity': None,
        }
        try:
            write_atomically(self.path, plan)
        except M3lError as error:
            raise EngineError(
                f'{error} Give another folder with --cache or $M3L_CACHE.'
            ) from error
        self._write_record(record)

    def record_parity(self, parity: dict[str, Any]) -> None:
        """Add to the record how the engine's labels compare with those it should give."""
        self._write_record(self.record() | {'parity': parity})

    def timing_cache(self) -> bytes:
        """Return the times of kernels that earlier builds on this machine measured, or b''."""
        try:
            return self._timing_path.read_bytes()
        except OSError:
            return b''

    def store_timing_cache(self, data: bytes) -> None:
        """Keep measured times for the next build of any model on this machine."""
        write_atomically(self._timing_path, data)

    @contextmanager
    def locked(self, wait: Callable[[str], None]) -> Iterator[None]:
        """Keep other processes and threads from building, checking or opening it meanwhile.

        Args:
            wait: Told before waiting for another that holds the lock.

        Raises:
            EngineError: If engines cannot be kept in the folder.
        """
        try:
            self._lock_path.parent.mkdir(parents=True, exist_ok=True)
            file = self._lock_path.open('ab')
        except OSError as error:
            raise EngineError(
                f'{self._lock_path.parent}: engines cannot be kept there: {error.strerror}. '
                'Give another folder with --cache or $M3L_CACHE.'
            ) from error
        with file:  # closing it gives the lock back, as does the end of the process
            if not _lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB):
                wait(f'{self.path.name}: waiting for another process that builds or opens it')
                _lock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def unchanging(self) -> Iterator[None]:
        """Keep others from building it meanwhile, not from opening it; does not wait.

        Raises:
            EngineError: If another is building it.
        """
        if not self._lock_path.is_file():  # nobody ever built it here
            yield
            return
        with _opened(self._lock_path) as file:
            if not _lock(file, fcntl.LOCK_SH | fcntl.LOCK_NB):
                raise EngineError(f'{self.path}: another process is building it.')
            yield

    def _write_record(self, record: dict[str, Any]) -> None:
        try:
            write_atomically(self._record_path, json.dumps(record, indent=2).encode())
        except M3lError as error:
            raise EngineError(str(error)) from error

    def _others(self) -> str:
        """Return what the newest engine of this model differs in, '' if there is none."""
        found = self.path.parent.glob(f'{escape(self.model.stem)}-*.json')
        records = [record for path in found if (record := _read_record(path))]
        records = [
            r for r in records if (r.get('settings') or {}).get('precision') == self.precision
        ]
        if not records:
            return ''
        newest = max(records, key=lambda record: str(record.get('built')))
        return self._difference(newest) or ' that is of this machine'

    def _difference(self, record: dict[str, Any]) -> str:
        different = self._machine.differences(record.get('machine'))
        if record.get('model_sha256') != self._model_sha256:
            different.insert(0, f'another {self.model.name}')
        return f'; the last one was built with {", ".join(different)}' if different else ''


def read_bytes(path: Path) -> bytes:
    """Return what is in a file.

    Raises:
        EngineError: If it cannot be read.
    """
    with _opened(path) as file:
        return file.read()


def _opened(path: Path) -> BinaryIO:
    """Open a file to be read only, which the folder of another user allows."""
    try:
        return path.open('rb')
    except OSError as error:
        raise EngineError(f'{path}: cannot be read: {error.strerror}.') from error


def _read_record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _lock(file: BinaryIO, kind: int) -> bool:
    """Return whether the lock was taken; False only if `kind` says not to wait."""
    try:
        fcntl.flock(file, kind)
    except BlockingIOError:
        return False
    except OSError as error:  # such as on NFS without its lock service
        raise EngineError(
            f'{file.name}: cannot be locked: {error.strerror}. '
            'Keep engines on a local disk: --cache or $M3L_CACHE.'
        ) from error
    return True
