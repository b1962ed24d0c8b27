"""Many bags at once: who fails, who goes on, and what is told."""

from __future__ import annotations

from importlib.util import find_spec
import os
from pathlib import Path
import signal
from typing import TYPE_CHECKING

import pytest

from m3l_core.bags.many import Outcome, work_on_all
from m3l_core.errors import BagError, M3lError

if TYPE_CHECKING:
    from m3l_core.bags.many import Advance


def square(job: int, advance: Advance) -> tuple[int, int]:
    """Return the square and the process it was computed in; -1 is wrong input, -2 kills."""
    advance(0.5)
    if job == -1:
        raise BagError('a.mcap: expected a bag, got none. Check the path.')
    if job == -2:
        os.kill(os.getpid(), signal.SIGKILL)
    if job == -3:
        raise ValueError('two\nlines')
    return job**2, os.getpid()


@pytest.mark.parametrize('workers', [1, 3])
def test_failed_bag_is_named_and_the_others_are_done(workers: int) -> None:
    outcomes = {o.index: o for o in work_on_all(square, [3, -1, -3, 5], workers=workers)}
    assert outcomes[1].problem == 'a.mcap: expected a bag, got none. Check the path.'
    assert outcomes[2].problem == 'ValueError: two lines'
    assert [outcomes[i].result[0] for i in (0, 3)] == [9, 25]


def test_killed_process_takes_no_other_bag_along() -> None:
    outcomes = {o.index: o for o in work_on_all(square, [-2, 4, 6], workers=2)}
    assert outcomes[0].problem == (
        'its process ended with code -9 (out of memory?). Run again with fewer --workers.'
    )
    assert [outcomes[i].result[0] for i in (1, 2)] == [16, 36]


def test_each_bag_has_a_process_of_its_own_unless_there_is_one_worker() -> None:
    processes = {o.result[1] for o in work_on_all(square, [1, 2], workers=2)}
    assert len(processes | {os.getpid()}) == 3
    assert [o.result[1] for o in work_on_all(square, [1, 2])] == [os.getpid()] * 2


@pytest.mark.parametrize('workers', [1, 2])
def test_progress_of_each_bag_is_told_to_its_end(workers: int) -> None:
    told: list[tuple[int, float]] = []
    list(work_on_all(square, [1, 2], workers=workers, on_progress=lambda *p: told.append(p)))
    assert sorted(told) == [(0, 0.5), (0, 1.0), (1, 0.5), (1, 1.0)]


def test_no_workers_are_refused() -> None:
    with pytest.raises(BagError, match=r'^--workers: expected at least 1, got 0\.$'):
        work_on_all(square, [1], workers=0)


@pytest.mark.skipif(find_spec('ray') is not None, reason='Ray is installed')
def test_missing_ray_names_the_extra() -> None:
    with pytest.raises(M3lError, match=r'pip install "m3l_perception\[ray\]"$'):
        list(work_on_all(square, [1], ray='auto'))


def test_address_without_a_cluster_is_refused_at_once() -> None:
    pytest.importorskip('ray')
    with pytest.raises(M3lError) as refusal:
        list(work_on_all(square, [1], ray='127.0.0.1:1'))
    assert str(refusal.value) == (
        '--ray: expected a cluster at 127.0.0.1:1, got none: [Errno 111] Connection refused. '
        'Start one: ray start --head'
    )


@pytest.mark.slow
def test_ray_does_the_same_as_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip('ray')
    monkeypatch.setenv('RAY_USAGE_STATS_ENABLED', '0')
    monkeypatch.setenv('RAY_DISABLE_IMPORT_WARNING', '1')
    # Ray's workers import this module by its name, as those of a cluster import m3l_core.
    monkeypatch.setenv('PYTHONPATH', str(Path(__file__).parent))
    found = list(work_on_all(square, [3, -1, 5], ray='local'))
    outcomes = {outcome.index: outcome for outcome in found}
    assert outcomes[1] == Outcome(1, problem='a.mcap: expected a bag, got none. Check the path.')
    assert [outcomes[i].result[0] for i in (0, 2)] == [9, 25]
