"""The whole demo as a user runs it: real node, real processes killed, real DDS."""

from __future__ import annotations

import os
from pathlib import Path
import signal
import subprocess
import sys

import cv2
from node_harness import PATIENCE_S
import numpy as np
import pytest

from m3l_core.bags.writing import BagWriter

PATIENT = """
import sys
from m3l_core.cli import main
from m3l_perception.demo import rig
rig._START_S = rig._PATIENCE_S = %s
sys.exit(main(['demo', *sys.argv[1:]]))
"""
DEMO = [sys.executable, '-c', PATIENT % PATIENCE_S]
"""The demo; on a busy machine it waits longer for what follows a fault."""


def commands_with(marker: str) -> list[str]:
    """Return the command lines of running processes that have `marker` among their words."""
    found = []
    for entry in Path('/proc').iterdir():
        try:
            words = (entry / 'cmdline').read_bytes().decode(errors='replace').split('\0')
        except OSError:
            continue
        if marker in ' '.join(words) and entry.name != str(os.getpid()):
            found.append(' '.join(words))
    return found


@pytest.mark.slow
def test_labels_go_on_while_cameras_are_killed(model: Path, tmp_path: Path) -> None:
    out = tmp_path / 'out'
    arguments = ['--model', str(model), '--out', str(out), '--seconds', '4']
    result = subprocess.run(
        [*DEMO, *arguments], capture_output=True, text=True, timeout=2 * PATIENCE_S
    )
    # 1 says that a gap was too long, which on a machine that does other work proves nothing. Nor
    # does a mode that went once more; but one that never came would have used up the patience.
    assert result.returncode in (0, 1), result.stdout + result.stderr
    for word in ('depth killed', 'rgb killed', 'rendered, not real accuracy', 'p99'):
        assert word in result.stdout
    picture = cv2.imread(str(out / 'demo.png'))
    assert picture is not None
    assert picture.shape[1] == 5 * 320
    assert not commands_with(str(model))


@pytest.mark.slow
def test_interrupting_leaves_no_process_behind(model: Path, tmp_path: Path) -> None:
    out = tmp_path / 'out'
    demo = subprocess.Popen(
        [*DEMO, '--model', str(model), '--out', str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert demo.stdout is not None
        for line in demo.stdout:
            if 'waiting for the first labels' in line:  # they are there
                break
        assert commands_with(f'model:={model}')
        demo.send_signal(signal.SIGINT)
        _, errors = demo.communicate(timeout=PATIENCE_S)
    finally:
        demo.kill()
    assert demo.returncode == 130
    assert 'Traceback' not in errors
    assert not commands_with(str(model))


def test_a_bag_without_depth_is_refused_in_one_line(tmp_path: Path) -> None:
    bag = tmp_path / 'color_only'
    with BagWriter(bag) as writer:
        writer.write_rgb(np.zeros((8, 8, 3), np.uint8), 1_000_000_000)
    result = subprocess.run(
        [*DEMO, '--bag', str(bag)], capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert result.returncode == 2
    (line,) = result.stderr.strip().splitlines()
    assert 'expected a topic of depth images' in line
