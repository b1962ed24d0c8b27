"""A process that runs commands of `m3l` one after another, and ends with whoever started it.

Its standard input is a pipe from the benchmark. When that closes, as it does however the benchmark
ends, `kill -9` included, the process ends too: two trainings must never write into one folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import signal
import sys
import threading

_PATIENCE_S = 10.0
"""Time to end by itself, as with Ctrl-C, before it is ended."""


def main() -> int:
    """Run the commands, lists of arguments as JSON; return the first exit code that is not 0."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's `&` turns off
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for command in sys.argv[1:]:
        if code := _run(json.loads(command)):
            return code
    return 0


def _run(arguments: list[str]) -> int:
    sys.argv = ['m3l', *arguments]
    try:
        runpy.run_module('m3l_core', run_name='__main__')
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else int(bool(exit_.code))
    return 0


def _end_with_parent() -> None:
    with contextlib.suppress(OSError):
        os.read(
            sys.stdin.fileno(), 1
        )  # not through Python's buffer, which must not be held at exit
    os.kill(os.getpid(), signal.SIGINT)
    threading.Event().wait(_PATIENCE_S)
    os._exit(130)


if __name__ == '__main__':
    sys.exit(main())
