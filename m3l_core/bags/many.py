"""Work on many bags at once: one process for each, or a task each on a Ray cluster.

A bag that fails, or whose process dies, is told apart from the others and stops none of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import multiprocessing
from multiprocessing.connection import Connection, wait
import os
import signal
import socket
import threading
from typing import Any, Generic, TYPE_CHECKING, TypeVar

import cv2

from m3l_core.errors import BagError, M3lError, missing_module

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.process import BaseProcess

Job = TypeVar('Job')
Result = TypeVar('Result')

Advance = Callable[[float], None]
"""Told the share of a job that is done, from 0 to 1."""

Work = Callable[[Job, Advance], Result]
"""What is done with one bag: a function of a module, as it travels to other processes."""


@dataclass(frozen=True)
class Outcome(Generic[Result]):
    """What became of one job.

    Attributes:
        index: Place of the job among those given.
        result: What the work returned, or None.
        problem: Empty, or one line on why there is no result.
    """

    index: int
    result: Result | None = None
    problem: str = ''


def work_on_all(
    work: Work[Job, Result],
    jobs: Sequence[Job],
    *,
    workers: int = 1,
    ray: str | None = None,
    on_progress: Callable[[int, float], None] | None = None,
) -> Iterator[Outcome[Result]]:
    """Yield what became of each job, in the order in which they end.

    Args:
        work: What to do with one job; its result and the job must be picklable.
        jobs: One for each bag.
        workers: Processes at a time; with one, the jobs are done in this process.
        ray: Address of a Ray cluster whose machines see the same files, `auto`, or `local`;
            progress is then told at the end of each job only.
        on_progress: Told the index of a job and the share of it that is done.

    Raises:
        BagError: If `workers` is less than 1.
        M3lError: If there is no Ray, or no cluster at the address.
    """
    if workers < 1:
        raise BagError(f'--workers: expected at least 1, got {workers}.')
    tell = on_progress or (lambda _index, _share: None)
    if ray is not None:
        return _on_ray(work, jobs, ray, tell)
    if min(workers, len(jobs)) <= 1:
        return _here(work, jobs, tell)
    return _in_processes(work, jobs, min(workers, len(jobs)), tell)


def _attempt(work: Work[Job, Result], job: Job, advance: Advance, index: int) -> Outcome[Result]:
    """Do one job; whatever it raises is its own problem and not that of the others."""
    try:
        result = work(job, advance)
    except M3lError as error:
        return Outcome(index, problem=str(error))
    except Exception as error:  # a defect met in one bag spares the other bags
        text = ' '.join(str(error).split())
        return Outcome(index, problem=f'{type(error).__name__}: {text}')
    advance(1.0)
    return Outcome(index, result)


def _here(
    work: Work[Job, Result], jobs: Sequence[Job], tell: Callable[[int, float], None]
) -> Iterator[Outcome[Result]]:
    for index, job in enumerate(jobs):
        yield _attempt(work, job, _teller(tell, index), index)


def _teller(tell: Callable[[int, float], None], index: int) -> Advance:
    return lambda share: tell(index, share)


def _in_processes(
    work: Work[Job, Result],
    jobs: Sequence[Job],
    workers: int,
    tell: Callable[[int, float], None],
) -> Iterator[Outcome[Result]]:
    """Yield outcomes of processes, one for each job: one that is killed takes no other along."""
    context = multiprocessing.get_context('spawn')  # engines and their threads survive no fork
    threads = max(1, (os.cpu_count() or 1) // workers)
    running: dict[Connection, tuple[int, BaseProcess]] = {}
    waiting = list(enumerate(jobs))[::-1]
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                index, job = waiting.pop()
                ours, theirs = context.Pipe(duplex=False)
                process: BaseProcess = context.Process(
                    target=_process, args=(work, job, index, theirs, threads), daemon=True
                )
                process.start()
                theirs.close()  # so that its end is seen here when the process is gone
                running[ours] = (index, process)
            for pipe in wait(list(running)):
                assert isinstance(pipe, Connection)  # noqa: S101 - nothing else is waited for
                outcome = _received(pipe, *running[pipe], tell)
                if outcome is not None:
                    running.pop(pipe)[1].join()
                    pipe.close()
                    yield outcome
    finally:
        for _, process in running.values():
            process.terminate()
            process.join()


def _received(
    pipe: Connection, index: int, process: BaseProcess, tell: Callable[[int, float], None]
) -> Outcome[Any] | None:
    """Return the outcome that a process sent, or None if it only told how far it is."""
    try:
        said = pipe.recv()
    except (EOFError, OSError):  # it ended, between two messages or within one
        process.join()
        return Outcome(
            index,
            problem=f'its process ended with code {process.exitcode} (out of memory?). '
            'Run again with fewer --workers.',
        )
    if isinstance(said, Outcome):
        return said
    tell(index, said)
    return None


def _process(
    work: Work[Job, Result], job: Job, index: int, pipe: Connection, threads: int
) -> None:
    """Do one job in a process of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # only the parent answers Ctrl-C
    threading.Thread(target=_end_with_parent, daemon=True).start()
    cv2.setNumThreads(threads)
    pipe.send(_attempt(work, job, pipe.send, index))


def _end_with_parent() -> None:
    """End this process when its parent is killed: nobody would take its results."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101 - only started by one
    wait([parent.sentinel])
    os._exit(1)


def _on_ray(
    work: Work[Job, Result],
    jobs: Sequence[Job],
    address: str,
    tell: Callable[[int, float], None],
) -> Iterator[Outcome[Result]]:
    try:
        import ray
    except ModuleNotFoundError as error:
        raise missing_module(error, '--ray') from error
    try:
        _expect_listener(address)
        ray.init(address=address, log_to_driver=False, logging_level='ERROR')
    except (OSError, RuntimeError, ValueError) as error:
        reason = ' '.join(str(error).split()).rstrip('.')
        raise M3lError(
            f'--ray: expected a cluster at {address}, got none: {reason}. '
            'Start one: ray start --head'
        ) from error
    try:
        attempt = ray.remote(_attempt_quietly)
        running = {attempt.remote(work, job, index): index for index, job in enumerate(jobs)}
        while running:
            (done,), _ = ray.wait(list(running), num_returns=1)
            index = running.pop(done)
            try:
                outcome = ray.get(done)
            except ray.exceptions.RayError as error:
                outcome = Outcome(index, problem=' '.join(str(error).split()))
            tell(index, 1.0)
            yield outcome
    finally:
        ray.shutdown()


def _expect_listener(address: str) -> None:
    """Raise OSError if nobody listens at HOST:PORT; Ray itself would wait for minutes."""
    host, _, port = address.rpartition(':')
    if port.isdecimal() and '/' not in host:
        socket.create_connection((host, int(port)), timeout=5).close()


def _attempt_quietly(work: Work[Job, Result], job: Job, index: int) -> Outcome[Result]:
    return _attempt(work, job, lambda _share: None, index)
