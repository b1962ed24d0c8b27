"""The process that notes when the machine stood still."""

from __future__ import annotations

import os
from pathlib import Path
import signal
import subprocess
import sys
import time

from m3l_perception.demo.pause_monitor import read_pauses


def test_a_process_that_was_stopped_tells_for_how_long(tmp_path: Path) -> None:
    log = tmp_path / 'pause_monitor.log'
    with log.open('wb') as file:
        process = subprocess.Popen(
            [sys.executable, '-m', 'm3l_perception.demo.pause_monitor'], stdout=file
        )
    try:
        time.sleep(1)
        stopped_s = time.monotonic()
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(0.5)
        os.kill(process.pid, signal.SIGCONT)
        while not any(last > stopped_s + 0.5 for _, last in read_pauses(log)):
            assert time.monotonic() < stopped_s + 20
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
    first, last = next(p for p in read_pauses(log) if p[1] > stopped_s + 0.5)
    assert last - first > 0.45
