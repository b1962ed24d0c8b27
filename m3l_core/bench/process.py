"""The other end of a worker: starts its process, asks, and survives its death."""

from __future__ import annotations

from contextlib import suppress
import json
import signal
import subprocess
import sys
import tempfile
from typing import Any

from m3l_core.errors import EngineError

_PATIENCE_S = 5


class WorkerProcess:
    """A process with one engine; ends with the `with` block, however that ends.

    Args:
        settings: Arguments of `Worker`.
    """

    def __init__(self, **settings: object) -> None:
        # A pipe that nobody reads would fill up. Closed with the process.
        self._said = tempfile.TemporaryFile('w+')  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, '-m', 'm3l_core.bench.worker', json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:  # such as Ctrl-C: nobody waits for its answer any more
            self._process.kill()
        self.close()

    def ask(self, request: str, **arguments: object) -> dict[str, Any]:
        """Return the answer to a request.

        Raises:
            EngineError: If the engine fails, or takes its process down.
        """
        assert self._process.stdin is not None  # noqa: S101 - both are pipes
        assert self._process.stdout is not None  # noqa: S101
        try:
            self._process.stdin.write(f'{json.dumps({"do": request, **arguments})}\n')
            self._process.stdin.flush()
        except BrokenPipeError:
            raise EngineError(self._epitaph()) from None
        line = self._process.stdout.readline()
        if not line:
            raise EngineError(self._epitaph())
        answer: dict[str, Any] = json.loads(line)
        if 'error' in answer:
            raise EngineError(answer['error'])
        return answer

    def close(self) -> None:
        """End the process; kill it if it does not end by itself."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
        try:
            self._process.wait(_PATIENCE_S)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            self._process.kill()
            self._process.wait()
        finally:
            self._said.close()

    def _epitaph(self) -> str:
        """Return what the process died of."""
        code = self._process.wait()
        self._said.seek(0)
        said = self._said.read().strip().splitlines()
        how = f'signal {signal.Signals(-code).name}' if code < 0 else f'exit code {code}'
        last = f': {said[-1].strip()}' if said else ''
        return f'its process ended with {how}{last}'
