"""The node's life in any order: nothing is left behind; a process, real cameras, real DDS."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lifecycle_msgs.msg import Transition
from node_harness import change, is_error, segment, state, wait_until
import pytest

if TYPE_CHECKING:
    from node_harness import SegmentProcess, Watcher

CYCLES = 12
WARM_UP_CYCLES = 4
"""Allocators and caches of libraries have what they need by then."""

MOST_GROWTH_MB = 10.0

CONFIGURE, ACTIVATE = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE
DEACTIVATE, CLEANUP = Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP


def threads(node: SegmentProcess) -> Counter[str]:
    """Return the names of all threads."""
    names: Counter[str] = Counter()
    for task in Path(f'/proc/{node.process.pid}/task').iterdir():
        with suppress(OSError):  # it has ended meanwhile
            names[(task / 'comm').read_text().strip()] += 1
    return names


def wait_until_released(node: SegmentProcess) -> None:
    """Wait until no thread has a network any more; one that is busy ends by itself."""
    wait_until(lambda: 'm3l-inference' not in threads(node), 'end of the inference thread')


def descriptors(node: SegmentProcess) -> int:
    return len(list(Path(f'/proc/{node.process.pid}/fd').iterdir()))


def resident_mb(node: SegmentProcess) -> float:
    pages = Path(f'/proc/{node.process.pid}/statm').read_text().split()[1]
    return int(pages) * 4096 / 2**20


@pytest.mark.usefixtures('camera')
def test_many_lives_leave_no_thread_no_file_and_no_memory_behind(
    tmp_path: Path, model: Path, watcher: Watcher
) -> None:
    with segment(tmp_path, model=model, autostart=False, threads=1) as node:
        for cycle in range(CYCLES):
            change(watcher, CONFIGURE)
            if cycle % 3 == 1:  # before it is loaded, and without ever being active
                change(watcher, CLEANUP)
                change(watcher, CONFIGURE)
            change(watcher, ACTIVATE)
            watcher.wait_for_masks(2)
            if cycle % 3 == 2:
                change(watcher, DEACTIVATE)
                change(watcher, ACTIVATE)
                watcher.wait_for_masks(1)
            change(watcher, DEACTIVATE)
            change(watcher, CLEANUP)
            if cycle == WARM_UP_CYCLES:
                wait_until_released(node)
                before, before_count = threads(node), descriptors(node)
                before_mb = resident_mb(node)
        wait_until_released(node)
        wait_until(
            lambda: not threads(node) - before and descriptors(node) <= before_count,
            f'return to {before}, {before_count} descriptors',
            lambda: (threads(node), descriptors(node)),
        )
        assert resident_mb(node) < before_mb + MOST_GROWTH_MB


@pytest.mark.usefixtures('camera')
@pytest.mark.parametrize('steps', [(CONFIGURE,), (CONFIGURE, ACTIVATE)])
def test_shutdown_from_any_state_lets_everything_go(
    steps: tuple[int, ...], tmp_path: Path, model: Path, watcher: Watcher
) -> None:
    shutdown = (
        Transition.TRANSITION_ACTIVE_SHUTDOWN
        if ACTIVATE in steps
        else Transition.TRANSITION_INACTIVE_SHUTDOWN
    )
    with segment(tmp_path, model=model, autostart=False) as node:
        for step in steps:
            change(watcher, step)
        change(watcher, shutdown)
        assert state(watcher) == 'finalized'
        wait_until_released(node)
        assert node.end() == 0


@pytest.mark.usefixtures('camera')
def test_node_is_configured_again_after_its_network_could_not_be_loaded(
    tmp_path: Path, model: Path, watcher: Watcher
) -> None:
    mended = tmp_path / 'network.onnx'
    mended.write_bytes(b'no network')
    with segment(tmp_path, model=mended) as node:
        wait_until(
            lambda: 'network.onnx' in node.log and state(watcher) == 'inactive', 'a refusal'
        )
        change(watcher, CLEANUP)
        mended.write_bytes(model.read_bytes())
        change(watcher, CONFIGURE)
        change(watcher, ACTIVATE)
        watcher.wait_for_mode('RGBD')
        watcher.wait_for_masks(2)


def test_input_that_is_refused_leaves_no_other_open(
    tmp_path: Path, model: Path, watcher: Watcher
) -> None:
    refused = {'qos_overrides./depth/image.subscription.reliability': 'banana'}
    with segment(tmp_path, model=model, **refused) as node:
        status = watcher.wait_for_diagnostic('engine', lambda s: s.message == 'READY')
        assert status is not None
        assert state(watcher) == 'inactive'
        assert 'activate: ' in node.log
        wait_until(lambda: not watcher.node.count_subscribers('/rgb/image'), 'end of the other')


@pytest.mark.parametrize('path', ['/no/such.onnx', '~no-such-user/b0.onnx'])
def test_missing_model_leaves_the_node_unconfigured_with_an_error(
    tmp_path: Path, watcher: Watcher, path: str
) -> None:
    with segment(tmp_path, model=path, unpaird='rgb') as node:
        status = watcher.wait_for_diagnostic('engine', is_error)
        said = f'model: expected the path of an exported network, got {path}'
        assert status.message.startswith(said)
        assert said in node.log
        assert 'unpaird: no such parameter, ignored. Did you mean unpaired?' in node.log
        assert state(watcher) == 'unconfigured'


@pytest.mark.usefixtures('camera')
def test_model_that_cannot_be_loaded_leaves_the_node_inactive_with_an_error(
    tmp_path: Path, watcher: Watcher
) -> None:
    broken = tmp_path / 'broken.onnx'
    broken.write_bytes(b'no network')
    with segment(tmp_path, model=broken) as node:
        status = watcher.wait_for_diagnostic('engine', is_error)
        assert str(broken) in status.message
        wait_until(lambda: state(watcher) == 'inactive', 'the inactive state')
        assert node.process.poll() is None
        assert 'Traceback' not in node.log


@pytest.mark.usefixtures('camera')
def test_lifecycle_can_be_walked_up_and_down(
    tmp_path: Path, model: Path, watcher: Watcher
) -> None:
    with segment(tmp_path, model=model, autostart=False):
        for _ in range(2):
            assert state(watcher) == 'unconfigured'
            change(watcher, Transition.TRANSITION_CONFIGURE)
            for _ in range(2):
                change(watcher, Transition.TRANSITION_ACTIVATE)
                watcher.wait_for_mode('RGBD')
                watcher.wait_for_masks(2)
                change(watcher, Transition.TRANSITION_DEACTIVATE)
            change(watcher, Transition.TRANSITION_CLEANUP)
        change(watcher, Transition.TRANSITION_UNCONFIGURED_SHUTDOWN)
        assert state(watcher) == 'finalized'
