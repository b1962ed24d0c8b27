"""`m3l play` that is told to end before it plays: while it still imports what it needs."""

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
sys.exit(main(%(arguments)r))
"""


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize('module', ['m3l_core.bags.reading', 'rclpy'])
@pytest.mark.parametrize(
    ('entry', 'words', 'code'), [('m3l_perception.play', [], 0), ('m3l_core.cli', ['play'], 130)]
)
def test_signal_during_an_import_ends_it_without_a_word(
    entry: str, words: list[str], code: int, module: str, number: int
) -> None:
    program = SIGNALED % {
        'module': module,
        'number': number,
        'entry': entry,
        'arguments': [*words, str(sample_bag())],
    }
    done = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, '', '')
