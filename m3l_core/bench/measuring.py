"""Every engine loaded, timed in turns, and its labels compared."""

from __future__ import annotations

from contextlib import contextmanager, ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
import tempfile
from typing import Any, TYPE_CHECKING

import numpy as np

from m3l_core.bench.frames import frames_path, parity_path
from m3l_core.bench.process import WorkerProcess
from m3l_core.bench.work import Limit
from m3l_core.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from m3l_core.bench.contenders import Contender
    from m3l_core.bench.work import Work

_ROUNDS = 5
"""Turns of each engine: what else the machine does then hits all of them alike."""


@dataclass
class Row:
    """What was measured of one engine.

    Attributes:
        problem: Why there is nothing more, '' if all went well.
        first_load_s: Time to open it when nothing was kept from an earlier start, None if it
            keeps nothing, or was built before.
        load_s: Time to open it otherwise, the library's import included.
        times_ms: Of every frame.
        host_mb: Most memory its process took.
        gpu_mb: Most memory it took of the GPU, None if that is not known.
        parity: Shares of equal labels by mode, in percent, with 'total' and 'sure'.
        parity_problem: Which limit its labels miss, '' if none.
        limit: The shortest time possible, None if that is not known.
        layers: Time of each layer, the longest first, if it was asked for.
    """

    contender: Contender
    problem: str = ''
    device: str = ''
    warnings: list[str] = field(default_factory=list)
    first_load_s: float | None = None
    load_s: float = 0.0
    times_ms: list[float] = field(default_factory=list)
    host_mb: float = 0.0
    gpu_mb: float | None = None
    parity: dict[str, dict[str, float]] = field(default_factory=dict)
    parity_problem: str = ''
    rates: dict[str, float | None] = field(default_factory=dict)
    limit: Limit | None = None
    layers: list[dict[str, Any]] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        """Return the time in ms that so many percent of the frames did not exceed."""
        return float(np.percentile(self.times_ms, share))

    @property
    def frames_per_second(self) -> float:
        """Frames in a second, one after the other."""
        return 1e3 / float(np.mean(self.times_ms))

    @property
    def share_of_limit(self) -> float | None:
        """What the limit is of the median time, 1 if it is reached."""
        return None if self.limit is None else self.limit.milliseconds / self.percentile(50)

    def to_dict(self) -> dict[str, Any]:
        """Return all of it for JSON."""
        values = asdict(self)
        values |= values.pop('contender')
        if self.times_ms:
            values |= {f'p{share}_ms': self.percentile(share) for share in (50, 90, 99)}
            values['frames_per_second'] = self.frames_per_second
            values['share_of_limit'] = self.share_of_limit
        return values


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Attributes:
        model: The network.
        frames: How many to label with each engine.
        threads: CPU threads; 0 for all.
        layers: Whether to time layers as well.
        work: What the network has to do, None if that is not known.
    """

    model: Path
    frames: int
    threads: int
    layers: bool
    work: Work | None


def measure(
    plan: Plan, contenders: Sequence[Contender], say: Callable[[str, float], None]
) -> list[Row]:
    """Return a row for each contender; one that fails has its error there.

    Args:
        plan: What to measure.
        contenders: Engines.
        say: Told what is going on, and which share of all is done.
    """
    rows = [Row(contender) for contender in contenders]
    with tempfile.TemporaryDirectory(prefix='m3l-bench-') as folder, ExitStack() as stack:
        workers = []
        for index, row in enumerate(rows):
            say(f'{row.contender}: loading', 0.3 * index / len(rows))
            with _told_in(row):
                workers.append((row, stack.enter_context(_opened(plan, row, Path(folder)))))
        _take_turns(plan, workers, say)
        for index, (row, worker) in enumerate(workers):
            say(f'{row.contender}: comparing labels', 0.7 + 0.3 * index / len(workers))
            with _told_in(row):
                _finish(plan, row, worker, Path(folder))
        _compare_with_float32([row for row, _ in workers], Path(folder))
    _set_limits(plan, rows)
    return rows


@contextmanager
def _told_in(row: Row) -> Iterator[None]:
    """Turn an error of an engine into its row's."""
    try:
        yield
    except EngineError as error:
        row.problem = str(error)


def _opened(plan: Plan, row: Row, folder: Path) -> WorkerProcess:
    """Return a process with the engine loaded, after another that loaded it first."""
    contender = row.contender
    settings: dict[str, object] = {
        'model': str(plan.model),
        'frames': str(frames_path(plan.model)),
        'backend': contender.backend,
        'precision': contender.precision,
        'threads': plan.threads,
        'cache_dir': '',
    }
    if contender.backend == 'openvino':
        settings['cache_dir'] = str(folder / 'cache')
        with WorkerProcess(**settings) as first:
            row.first_load_s = first.ask('open')['seconds']
    with ExitStack() as stack:
        worker = stack.enter_context(WorkerProcess(**settings))
        opened = worker.ask('open')
        worker.ask('warm_up')
        stack.pop_all()  # it went well: whoever asked for it ends it
    row.load_s, row.device, row.warnings = (
        opened[key] for key in ('seconds', 'device', 'warnings')
    )
    return worker


def _take_turns(
    plan: Plan,
    workers: Sequence[tuple[Row, WorkerProcess]],
    say: Callable[[str, float], None],
) -> None:
    shares = np.diff(np.linspace(0, plan.frames, _ROUNDS + 1).round().astype(int))
    for number, frames in enumerate(shares):
        for index, (row, worker) in enumerate(workers):
            done = (number + index / len(workers)) / _ROUNDS
            say(f'{row.contender}: turn {number + 1} of {_ROUNDS}', 0.3 + 0.4 * done)
            if not row.problem:
                with _told_in(row):
                    row.times_ms += worker.ask('run', frames=int(frames))['milliseconds']


def _finish(plan: Plan, row: Row, worker: WorkerProcess, folder: Path) -> None:
    """Ask for all but the times; memory first, as what comes after would count."""
    if row.problem:
        return
    memory = worker.ask('memory')
    row.host_mb, row.gpu_mb = memory['host_mb'], memory['gpu_mb']
    recorded = parity_path(plan.model)
    if recorded is not None:
        try:
            row.parity = worker.ask('parity', path=str(recorded))
        except EngineError as error:
            row.parity_problem = str(error)
    else:
        worker.ask('labels', path=str(_labels_path(folder, row)))
    row.rates = worker.ask('rates')
    if plan.layers:
        row.layers = worker.ask('layers')['layers']


def _labels_path(folder: Path, row: Row) -> Path:
    return folder / f'{row.contender}.npz'


def _compare_with_float32(rows: Sequence[Row], folder: Path) -> None:
    """Fill in the parity of engines whose labels were written, against one in float32."""
    written = [row for row in rows if _labels_path(folder, row).is_file()]
    exact = [row for row in written if row.contender.precision == 'float32']
    if not exact:
        return
    # PyTorch's is the reference wherever it is there.
    reference = max(exact, key=lambda row: row.contender.backend == 'torch')
    with np.load(_labels_path(folder, reference)) as expected:
        for row in written:
            with np.load(_labels_path(folder, row)) as labels:
                row.parity = {
                    mode: {'total': 100 * float(np.mean(labels[mode] == expected[mode]))}
                    for mode in expected.files
                }


def _set_limits(plan: Plan, rows: Sequence[Row]) -> None:
    """Set the limit of each row by the best that any library reached on the same device."""
    if plan.work is None:
        return
    for row in rows:
        alike = [other for other in rows if other.device == row.device and other.rates]
        operations = [
            other.rates['operations']
            for other in alike
            if other.contender.precision == row.contender.precision
        ]
        rate = max((r for r in operations if r), default=None)
        bandwidth = max((b for r in alike if (b := r.rates['bytes'])), default=None)
        if row.times_ms and rate and bandwidth:
            row.limit = Limit.of(plan.work, row.contender.precision, rate, bandwidth)
