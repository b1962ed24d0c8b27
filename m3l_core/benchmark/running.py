"""Trains and scores what is not finished yet, several runs at once."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
import fcntl
from typing import TYPE_CHECKING

from m3l_core.benchmark.children import Children
from m3l_core.benchmark.code_state import code_state
from m3l_core.benchmark.results import best_conventions
from m3l_core.errors import ConfigError, M3lError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from m3l_core.benchmark.grid import Grid
    from m3l_core.benchmark.inputs import Inputs
    from m3l_core.benchmark.run_files import RunFiles
    from m3l_core.evaluate.conventions import Convention

_LOOK_EVERY_S = 1.0
"""How often progress is told."""

Scoring = tuple[str, 'Convention']
"""A split, and what a missing image is."""


class Work:
    """What a run still lacks.

    Args:
        files: The run.
        scorings: How it is to be scored.
        train: Whether to train it too.
    """

    def __init__(self, files: RunFiles, scorings: Sequence[Scoring], *, train: bool) -> None:
        trained = files.card() is not None
        self.files = files
        self.trains = train and not trained
        self.scorings = [
            scoring
            for scoring in scorings
            if (trained and not files.counts_path(*scoring).exists()) or self.trains
        ]

    def do(self, inputs: Inputs, children: Children, code: str) -> str | None:
        """Train and score; return None if all went well, else why not."""
        try:
            error = self._try(inputs, children, code)
        except M3lError as refused:  # one run's trouble is not the others'
            error = str(refused)
        if error is not None and not children.stopped:
            self.files.fail(error)
        return error

    def _try(self, inputs: Inputs, children: Children, code: str) -> str | None:
        files, commands = self.files, []
        files.try_again()
        if self.trains:
            files.begin(code)
            commands.append(inputs.train_arguments(files))
        commands += [inputs.score_arguments(files, *scoring) for scoring in self.scorings]
        error = children.run(commands, files.output)
        if error is None:
            for scoring in self.scorings:
                files.keep(*scoring)
        return error


def work_on_val(grid: Grid, files: Sequence[RunFiles], *, train: bool) -> list[Work]:
    """Return what is left to be done on val, run by run."""
    scorings = [('val', convention) for convention in grid.missing]
    works = [Work(one, scorings, train=train) for one in files]
    return [work for work in works if work.scorings]


def work_on_test(grid: Grid, files: Sequence[RunFiles]) -> list[Work]:
    """Return what is left to be done on test, which is looked at once, when all is decided.

    Raises:
        ConfigError: If a run is not finished on val.
    """
    lacking = [one.run.name for one in files for c in grid.missing if not one.counts('val', c)]
    if lacking:
        raise ConfigError(
            f'--split test: {lacking[0]} is not finished on val. Test is scored once, of a whole '
            'grid: finish it first.'
        )
    best = best_conventions(grid, files)
    works = [Work(one, [('test', best[one.run.method])], train=False) for one in files]
    return [work for work in works if work.scorings]


def do_all(
    works: Sequence[Work],
    inputs: Inputs,
    *,
    jobs: int,
    lock: int,
    on_done: Callable[[Work, str | None], None],
    on_look: Callable[[set[RunFiles]], None],
) -> None:
    """Do all of it, in order, `jobs` at once; an interruption ends every process first.

    Args:
        works: What is to be done.
        inputs: Images and weights.
        jobs: How many processes.
        lock: From `alone_in`; the processes hold it too, should they outlive us for a moment.
        on_done: Told of each when it is done, and why it failed.
        on_look: Told every second which are being done.
    """
    children, code = Children(jobs, lock), code_state()
    with ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(work.do, inputs, children, code): work for work in works}
        waiting: set[Future[str | None]] = set(futures)
        try:
            while waiting:
                done, waiting = wait(waiting, _LOOK_EVERY_S, FIRST_COMPLETED)
                for future in done:
                    on_done(futures[future], future.result())
                on_look({futures[future].files for future in waiting if future.running()})
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            children.stop()
            raise


@contextmanager
def alone_in(out: Path, say: Callable[[str], None]) -> Iterator[int]:
    """Keep other benchmarks out of a folder, waiting for one that is at work in it.

    Yields:
        The descriptor that holds the lock.

    Raises:
        ConfigError: If it cannot be written into.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        opened = (out / '.lock').open('ab')
    except OSError as error:
        raise ConfigError(
            f'--out: {out} cannot be written into: {error.strerror}. Give another folder.'
        ) from error
    with opened as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f'{out}: waiting for another benchmark that is at work in it.')
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()
