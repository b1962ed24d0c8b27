"""What ends the node and what does not: an engine that fails, a signal; a process, real DDS."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from node_harness import count_bad, PATIENCE_S, segment, SegmentProcess, wait_until
import pytest

from m3l_perception.compat import PROFILE_VARIABLES
from m3l_perception.dds import SHIPPED_PROFILE

if TYPE_CHECKING:
    from pathlib import Path

    from node_harness import Watcher

FAILING_ENGINE = """
import sys
from m3l_core.errors import EngineError
from m3l_perception import inference, loading, segment_node

inference._DOUBT_AFTER_S = 0.2
open_engine = loading.open_engine

def open_failing(*args, **options):
    engine = open_engine(*args, **options)
    run, calls = engine.run, []
    def run_thrice(*images):
        calls.append(1)
        if len(calls) > 3 and ('%(fails_on)s' == 'all' or images[0].any()):
            raise %(error)s
        return run(*images)
    engine.run = run_thrice
    return engine

loading.open_engine = open_failing
sys.exit(segment_node.main())
"""


def failing_node(folder: Path, model: Path, error: str, fails_on: str) -> SegmentProcess:
    code = FAILING_ENGINE % {'error': error, 'fails_on': fails_on}
    settings = ['-p', f'model:={model}', '-p', 'always_on:=true']
    return SegmentProcess(folder / 'log', ['-c', code, '--ros-args', *settings])


@pytest.mark.usefixtures('camera')
@pytest.mark.parametrize(
    ('error', 'said'),
    [
        ("EngineError('engine: the device is gone.')", 'engine: the device is gone.'),
        ("OSError('gone')", "engine: expected labels, got OSError('gone') for every image"),
    ],
)
def test_engine_that_fails_after_ready_ends_the_process(
    tmp_path: Path, model: Path, error: str, said: str
) -> None:
    node = failing_node(tmp_path, model, error, 'all')
    assert node.process.wait(PATIENCE_S) == 1
    assert said in node.log
    assert 'Traceback' not in node.log


@pytest.mark.usefixtures('camera')
def test_images_that_no_engine_labels_end_nothing(
    tmp_path: Path, model: Path, watcher: Watcher
) -> None:
    node = failing_node(tmp_path, model, "ValueError('odd image')", 'images')
    try:
        wait_until(lambda: count_bad(watcher) > 20, 'counted frames', lambda: node.log)
        assert node.process.poll() is None
    finally:
        assert node.end() == 0


@pytest.mark.usefixtures('camera')
@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_node_cleanly(node: SegmentProcess, watcher: Watcher, number: int) -> None:
    watcher.wait_for_masks(2)
    assert node.end(number) == 0
    assert 'Traceback' not in node.log


@pytest.fixture
def _long_lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a process that vanishes without a word be taken to live for an hour, not 20 s."""
    profile = tmp_path / 'profile.xml'
    lease = '<leaseDuration><sec>3600</sec></leaseDuration>\n<leaseAnnouncement>'
    profile.write_text(SHIPPED_PROFILE.read_text().replace('<leaseAnnouncement>', lease))
    for name in PROFILE_VARIABLES:
        if name in os.environ:
            monkeypatch.setenv(name, str(profile))


@pytest.mark.usefixtures('_long_lease')
@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize('said', ['Loading', 'READY'])
def test_signal_ends_a_node_that_loads_or_waits_and_others_learn_of_it(
    tmp_path: Path, watcher: Watcher, said: str, number: int
) -> None:
    def heard() -> int:
        return int(watcher.node.count_publishers('/m3l_segment/mask'))

    with segment(tmp_path) as node:  # the shipped network, which takes a second to load
        node.wait_for_log(said)
        wait_until(lambda: heard() == 1, 'the node in the graph')
        assert node.end(number) == 0
        assert 'Traceback' not in node.log
        wait_until(lambda: heard() == 0, 'the node out of the graph')
