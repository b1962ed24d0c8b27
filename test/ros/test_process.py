"""The process around the node, with something simple in the place of the node."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from node_harness import SegmentProcess
import pytest

if TYPE_CHECKING:
    from pathlib import Path

BUSY = """
import sys, time
from m3l_perception.process import run_node

def make_node():
    print('busy', flush=True)
    time.sleep(3600)

sys.exit(run_node(make_node, sys.argv))
"""


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_signal_interrupts_whatever_the_process_does(tmp_path: Path, number: int) -> None:
    process = SegmentProcess(tmp_path / 'log', ['-c', BUSY])
    process.wait_for_log('busy')
    assert process.end(number) == 0
    assert process.log == 'busy\n'
