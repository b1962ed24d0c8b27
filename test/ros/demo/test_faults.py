"""The node while its cameras fail at random, in short: real processes, real signals, real DDS."""

from __future__ import annotations

from collections import Counter
import io
import os
from pathlib import Path
from random import Random

import pytest
from rich.console import Console

from m3l_core.bags.reading import Bag
from m3l_core.bags.topics import find_topics
from m3l_core.samples import sample_bag
from m3l_perception.demo.faults import deal_faults, suffer, Vitals
from m3l_perception.demo.processes import Processes
from m3l_perception.demo.recorder import Recorder
from m3l_perception.demo.stage import CAMERAS, Stage

FAULTS = [('kill', ('depth',)), ('freeze', ('rgb',)), ('restart', CAMERAS), ('kill', CAMERAS)]


def test_every_fault_befalls_every_camera_equally_often() -> None:
    counts = Counter(deal_faults(18, Random(1)))
    assert set(counts.values()) == {2}
    assert len(counts) == 9


def test_vitals_are_those_of_the_process() -> None:
    before = Vitals.of(os.getpid())
    with Path('/dev/null').open():
        assert Vitals.of(os.getpid()).descriptors == before.descriptors + 1
    assert before.threads >= 1
    assert before.resident_mb > 10


@pytest.mark.slow
def test_node_outlives_its_cameras(model: Path, tmp_path: Path) -> None:
    bag = sample_bag()
    with Bag(bag) as opened:
        topics = find_topics(opened)
    recorder = Recorder(topics, 13)
    try:
        with Processes({}, tmp_path) as processes:
            console = Console(file=io.StringIO())
            stage = Stage(recorder, processes, topics, bag, console)
            stage.start(model)
            stage.act('both cameras', 1)
            before = Vitals.of(processes.pid('node'))
            for fault, victims in FAULTS:
                suffer(stage, fault, victims, seconds=2)
            stage.change_loop('jump')
            stage.act('stamps jump', 2)
            after = Vitals.of(processes.pid('node'))
    finally:
        recorder.close()
    for row in stage.gap_rows():
        assert row.switched_after_s is not None, row  # the mode followed
    assert recorder.mode == 'RGBD'
    assert after.threads <= before.threads
    assert after.descriptors <= before.descriptors
    log = (tmp_path / 'node.log').read_text()
    assert '[ERROR]' not in log
    assert 'Traceback' not in log
