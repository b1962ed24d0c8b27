"""Says when the whole machine stood still: a process that only sleeps, and notes oversleeping.

It prints a line for each pause of more than 50 ms: its first and last moment, in seconds of the
steady clock. It takes a high priority where that is allowed, so that other work is no pause.
"""

from __future__ import annotations

from contextlib import suppress
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_STEP_S = 0.005
_PAUSE_S = 0.05


def read_pauses(log: Path) -> list[tuple[float, float]]:
    """Return first and last moment of each pause that a monitor noted, in order."""
    lines = (line.split() for line in log.read_text().splitlines())
    return [(float(first), float(last)) for first, last in lines]


def main() -> None:
    """Watch until the process is ended."""
    with suppress(PermissionError):
        os.nice(-15)
    before_s = time.monotonic()
    while True:
        time.sleep(_STEP_S)
        now_s = time.monotonic()
        if now_s - before_s > _PAUSE_S:
            print(f'{before_s:.4f} {now_s:.4f}', flush=True)
        before_s = now_s


if __name__ == '__main__':
    main()
