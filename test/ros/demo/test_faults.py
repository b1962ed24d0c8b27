"""The node while its cameras fail at random, in short: real processes, real signals, real DDS."""

from __future__ import annotations

from collections import Counter
import io
import os
from pathlib import Path
from random import Random
import subprocess
import sys
from typing import TYPE_CHECKING

from node_harness import PATIENCE_S
import pytest
from rich.console import Console

from m3l_core.bags.reading import Bag
from m3l_core.bags.topics import find_topics
from m3l_core.samples import sample_bag
from m3l_perception.demo import rig as rig_module
from m3l_perception.demo.faults import inject, plan_faults, Usage
from m3l_perception.demo.pause_monitor import read_pauses
from m3l_perception.demo.processes import Processes
from m3l_perception.demo.recorder import Recorder
from m3l_perception.demo.rig import CAMERAS, Rig

if TYPE_CHECKING:
    from collections.abc import Iterator

FAULTS = [('kill', ('depth',)), ('freeze', ('rgb',)), ('restart', CAMERAS), ('kill', CAMERAS)]


def test_every_fault_befalls_every_camera_equally_often() -> None:
    counts = Counter(plan_faults(18, Random(1)))
    assert set(counts.values()) == {2}
    assert len(counts) == 9


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that holds what it was given, and nothing comes and goes in it."""
    code = 'import time; print(flush=True); time.sleep(3600)'
    with Path('/dev/null').open() as given:
        process = subprocess.Popen(
            [sys.executable, '-c', code], pass_fds=[given.fileno()], stdout=subprocess.PIPE
        )
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def test_vitals_are_those_of_the_process(sleeper: subprocess.Popen[bytes]) -> None:
    seen = Usage.of(sleeper.pid)
    assert seen.descriptors == 4  # input, output, errors, and the one it was given
    assert seen.threads == 1
    assert 1 < seen.resident_mb < Usage.of(os.getpid()).resident_mb


@pytest.mark.slow
def test_node_outlives_its_cameras(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rig_module, '_START_S', PATIENCE_S)
    monkeypatch.setattr(rig_module, '_PATIENCE_S', PATIENCE_S)
    bag = sample_bag()
    with Bag(bag) as opened:
        topics = find_topics(opened)
    recorder = Recorder(topics, 13)
    try:
        with Processes({}, tmp_path) as processes:
            console = Console(file=io.StringIO())
            processes.start('pause_monitor', 'm3l_perception.demo.pause_monitor', [])
            rig = Rig(recorder, processes, topics, bag, console)
            rig.start(model)
            rig.run('both cameras', 1)
            before = Usage.of(processes.pid('node'))
            for fault, victims in FAULTS:
                inject(rig, fault, victims, seconds=2)
            rig.change_loop('jump')
            rig.run('stamps jump', 2)
            after = Usage.of(processes.pid('node'))
    finally:
        recorder.close()
    assert rig.gap_rows(pauses_s=read_pauses(tmp_path / 'pause_monitor.log'))
    # Not the promises: other work on the machine takes its time, and may let a mode go once more.
    ends_s = [*(event.at_s for event in rig.events), rig.end_s][1:]
    for event, end_s in zip(rig.events, ends_s, strict=True):
        modes = [m for m in recorder.recording.modes if m.arrival_s < end_s]
        followed = {m.mode for m in modes if m.arrival_s > event.at_s} | {modes[-1].mode}
        assert event.expected_mode in followed, event
        if event.expected_mode != 'NO_INPUT':
            assert any(event.at_s < m.arrival_s < end_s for m in recorder.recording.masks), event
    assert after.threads <= before.threads
    assert after.descriptors <= before.descriptors
    log = (tmp_path / 'node.log').read_text()
    assert '[ERROR]' not in log
    assert 'Traceback' not in log
