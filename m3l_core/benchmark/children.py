"""Starts and ends the processes that train and score."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Children:
    """Processes of ours, several at once.

    Args:
        jobs: How many; they share the CPU's cores.
        lock: Descriptor of a locked file, which stays locked until the last of them is gone.
    """

    def __init__(self, jobs: int, lock: int) -> None:
        self._lock_file = lock
        self._environment = dict(os.environ) | {'PYTHONUNBUFFERED': '1'}  # for who reads along
        if jobs > 1:  # each would else start a thread for every core
            threads = max(1, (os.cpu_count() or 1) // jobs)
            self._environment.setdefault('OMP_NUM_THREADS', str(threads))
        self._lock = Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self.stopped = False
        """Whether no more are started."""

    def run(self, commands: Sequence[Sequence[str]], output: Path) -> str | None:
        """Run commands of `m3l` in one process, up to the first that fails.

        Args:
            commands: Their arguments.
            output: File that what they print is appended to.

        Returns:
            None if all went well, else why not.
        """
        output.parent.mkdir(parents=True, exist_ok=True)
        with output.open('ab') as file:
            before = file.tell()
            process = self._start(commands, file.fileno())
            if process is None:
                return 'was stopped'
            code = process.wait()
            if process.stdin:
                process.stdin.close()
        with self._lock:
            self._running.discard(process)
            if self.stopped:
                return 'was stopped'
        return None if code == 0 else _reason(output, before, code)

    def stop(self) -> None:
        """End all processes and wait for that; start no more."""
        with self._lock:
            self.stopped = True
            running = list(self._running)
        for process in running:
            if process.stdin:
                process.stdin.close()  # which is what they watch
        for process in running:
            process.wait()

    def _start(
        self, commands: Sequence[Sequence[str]], output: int
    ) -> subprocess.Popen[bytes] | None:
        arguments = [json.dumps(list(command)) for command in commands]
        with self._lock:
            if self.stopped:
                return None
            process = subprocess.Popen(
                [sys.executable, '-m', 'm3l_core.benchmark.child', *arguments],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=self._environment,
                pass_fds=[self._lock_file],
                start_new_session=True,  # Ctrl-C in the terminal is for us to pass on
            )
            self._running.add(process)
        return process


def _reason(output: Path, before: int, code: int) -> str:
    """Return what a failed process said last, which is its error."""
    with output.open('rb') as file:
        file.seek(before)
        lines = file.read().decode(errors='replace').strip().splitlines()
    if code < 0:
        return f'was ended by signal {-code}'
    return lines[-1].strip() if lines else f'exit code {code}'
