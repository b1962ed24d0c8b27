"""The processes of a demo: each in a session of its own, none left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from m3l_perception.compat import private_variables
from m3l_perception.dds import profile_environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

_GRACE_S = 3.0

_DOMAINS = 100
"""Domains from 1 to this have ports of their own below those that Linux lends to clients."""


def private_environment() -> dict[str, str]:
    """Return variables that keep ROS traffic on this machine and in a domain of its own."""
    domain = 1 + os.getpid() % _DOMAINS
    return private_variables(domain) | profile_environment('shipped', os.environ)


class Processes:
    """Starts Python modules as processes by name, kills them, and ends all of them at exit."""

    def __init__(self, environment: Mapping[str, str], logs: Path) -> None:
        self._environment = dict(os.environ) | dict(environment)
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def start(self, name: str, module: str, arguments: Sequence[str]) -> None:
        """Start a module; what it prints goes to NAME.log."""
        with self.log(name).open('ab') as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, '-m', module, *arguments],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches the demo alone, which ends them in order
            )

    def log(self, name: str) -> Path:
        """Return where the output of a process is."""
        return self._logs / f'{name}.log'

    def kill(self, name: str) -> None:
        """End a process as a pulled cable would: at once, without a word."""
        process = self._running.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def freeze(self, name: str) -> None:
        """Stop a process without ending it, as a hung driver would."""
        os.killpg(self._running[name].pid, signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """Let a frozen process go on."""
        os.killpg(self._running[name].pid, signal.SIGCONT)

    def pid(self, name: str) -> int:
        """Return the id of a process that runs."""
        return self._running[name].pid

    def ended(self) -> dict[str, int]:
        """Return name and exit code of processes that ended by themselves."""
        codes = {name: process.poll() for name, process in self._running.items()}
        return {name: code for name, code in codes.items() if code is not None}

    def end(self) -> None:
        """Ask every process to end, and make those that do not."""
        for process in self._running.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
                os.killpg(process.pid, signal.SIGCONT)  # or a frozen one would not hear it
        for process in self._running.values():
            try:
                process.wait(_GRACE_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._running.clear()
