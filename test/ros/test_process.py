"""The process around the node, with something simple in the place of the node."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from node_harness import PATIENCE_S, SegmentProcess
import pytest

if TYPE_CHECKING:
    from pathlib import Path

BUSY = """
import sys, time
from m3l_perception.process import run_node

def make_node():
    print('busy', flush=True)
    while True:  # A signal that comes just before a sleep does not end it.
        time.sleep(0.01)

sys.exit(run_node(make_node, sys.argv))
"""


IN_BACKGROUND = f"""
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
{BUSY}
"""
"""As a shell starts what is to run in the background."""


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize('code', [BUSY, IN_BACKGROUND], ids=['', 'in_background'])
def test_signal_interrupts_whatever_the_process_does(
    tmp_path: Path, code: str, number: int
) -> None:
    process = SegmentProcess(tmp_path / 'log', ['-c', code])
    process.wait_for_log('busy')
    assert process.end(number) == 0
    assert process.log == 'busy\n'


LATE = """
import ctypes, signal, sys
from m3l_perception import process

libc = ctypes.CDLL(None)
libc.signal.restype = ctypes.c_void_p
libc.signal.argtypes = ctypes.c_int, ctypes.c_void_p
signal.signal(signal.SIGINT, signal.default_int_handler)
handler = libc.signal(signal.SIGINT, None)
libc.signal(signal.SIGINT, handler)
note_signal = ctypes.CFUNCTYPE(None, ctypes.c_int)(handler)  # as Python does when one comes

class Node:
    failed = type('Never', (), {'done': staticmethod(lambda: False)})

    def release(self):
        note_signal(signal.SIGINT)

    def destroy_node(self):
        pass

process._bring_up = process._spin = lambda node: None
sys.exit(process.run_node(Node, sys.argv))
"""


def test_signal_that_python_notes_late_ends_the_process_without_a_word(tmp_path: Path) -> None:
    """On a busy machine rclpy ends the spin before the thread that got the signal goes on."""
    process = SegmentProcess(tmp_path / 'log', ['-c', LATE])
    assert process.process.wait(PATIENCE_S) == 0
    assert process.log == ''


@pytest.mark.parametrize(
    'words', ['--params-file nowhere.yaml', '-p foo', '-r a', '--log-level loud', '--bogus']
)
def test_malformed_ros_argument_is_one_line_and_exit_code_2(words: str) -> None:
    done = subprocess.run(
        [sys.executable, '-c', BUSY, '--ros-args', *words.split()],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert (done.returncode, done.stdout) == (2, '')
    assert done.stderr.startswith('m3l: segment: refused by ROS: ')
    assert words in done.stderr
    assert done.stderr.endswith('. Write: segment --ros-args -p NAME:=VALUE -r FROM:=TO\n')
    assert done.stderr.count('\n') == 1


def test_missing_ros_is_one_line_that_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['rclpy'] = None; "
        'from m3l_perception.segment import main; sys.exit(main())'
    )
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert (done.returncode, done.stdout) == (2, '')
    assert done.stderr == (
        'm3l: segment needs rclpy, which is not installed. Source a ROS 2 distribution, or run: '
        'pip install "m3l_perception[ros]"\n'
    )
