"""Processes that are told to end while they still import what they need."""

from __future__ import annotations

import signal
import subprocess
import sys

from node_harness import PATIENCE_S
import pytest

from m3l_core.samples import sample_bag

SIGNALED = """
import os, sys

class Finder:
    def find_spec(name, path=None, target=None):
        if name == %(module)r:
            os.kill(os.getpid(), %(number)d)

sys.meta_path.insert(0, Finder)
from %(entry)s import main
sys.exit(main())
"""
BAG = str(sample_bag())


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ('entry', 'arguments', 'module', 'code'),
    [
        ('m3l_perception.play', [BAG], 'm3l_core.bags.reading', 0),
        ('m3l_perception.play', [BAG], 'rclpy', 0),
        ('m3l_core.cli', ['play', BAG], 'm3l_core.bags.reading', 130),
        ('m3l_core.cli', ['play', BAG], 'rclpy', 130),
        ('m3l_perception.segment', [], 'rclpy', 0),
    ],
)
def test_signal_during_an_import_ends_a_process_without_a_word(
    entry: str, arguments: list[str], module: str, code: int, number: int
) -> None:
    program = SIGNALED % {'module': module, 'number': number, 'entry': entry}
    done = subprocess.run(
        [sys.executable, '-c', program, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, '', '')
