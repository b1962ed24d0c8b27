"""The process that notes when the machine stood still."""

from __future__ import annotations

import os
from pathlib import Path
import signal
import subprocess
import sys
import time

from node_harness import wait_until

from m3l_perception.demo.pause_monitor import read_pauses

PRINTED_S = 1e-4


def stop_for_a_while(pid: int) -> tuple[float, float]:
    """Return a time, first and last moment, in which a process certainly stood still."""
    os.kill(pid, signal.SIGSTOP)
    status = Path(f'/proc/{pid}/status')
    wait_until(lambda: 'State:\tT' in status.read_text(), 'stop')
    stopped_s = time.monotonic()
    time.sleep(0.2)
    going_s = time.monotonic()
    os.kill(pid, signal.SIGCONT)
    return stopped_s, going_s


def test_a_process_that_was_stopped_tells_for_how_long(tmp_path: Path) -> None:
    log = tmp_path / 'pause_monitor.log'
    with log.open('wb') as file:
        process = subprocess.Popen(
            [sys.executable, '-m', 'm3l_perception.demo.pause_monitor'], stdout=file
        )

    stops = []

    def notes_a_stop() -> bool:
        stops.append(stop_for_a_while(process.pid))
        return any(
            first <= stopped_s + PRINTED_S and last >= going_s - PRINTED_S
            for first, last in read_pauses(log)
            for stopped_s, going_s in stops
        )

    try:  # Only once it runs does it notice.
        wait_until(notes_a_stop, 'pause', log.read_text)
    finally:
        process.kill()
        process.wait()
