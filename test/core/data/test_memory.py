"""How much memory a process may fill, on machines with and without control groups."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from m3l_core.data.memory import memory_of_the_process

MIB = 1 << 20

PHYSICAL = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv('LOCAL_WORLD_SIZE', raising=False)


def machine(root: Path, groups: str, limits: dict[str, str]) -> Path:
    """Write the files in which Linux tells the groups of a process and their limits."""
    for name, text in {'proc/self/cgroup': groups, **limits}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_without_control_groups_it_is_that_of_the_machine(tmp_path: Path) -> None:
    assert memory_of_the_process(tmp_path) == PHYSICAL


def test_processes_of_one_machine_share_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('LOCAL_WORLD_SIZE', '4')
    assert memory_of_the_process(tmp_path) == PHYSICAL // 4


@pytest.mark.parametrize(
    ('groups', 'limits'),
    [
        ('0::/\n', {'sys/fs/cgroup/memory.max': f'{64 * MIB}\n'}),
        (
            '0::/user.slice/job\n',
            {
                'sys/fs/cgroup/user.slice/job/memory.max': 'max\n',
                'sys/fs/cgroup/user.slice/memory.max': f'{64 * MIB}\n',
            },
        ),
        (
            '5:cpu,cpuacct:/job\n4:memory:/job\n0::/\n',
            {
                'sys/fs/cgroup/memory/job/memory.limit_in_bytes': f'{64 * MIB}\n',
                'sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
            },
        ),
        (
            '4:memory:/docker/of_the_host\n',
            {'sys/fs/cgroup/memory/memory.limit_in_bytes': f'{64 * MIB}\n'},
        ),
    ],
    ids=['second version', 'group around', 'first version', 'container'],
)
def test_the_lowest_limit_of_the_control_groups_counts(
    tmp_path: Path, groups: str, limits: dict[str, str]
) -> None:
    assert memory_of_the_process(machine(tmp_path, groups, limits)) == 64 * MIB


def test_no_limit_is_the_memory_of_the_machine(tmp_path: Path) -> None:
    root = machine(tmp_path, '0::/\n', {'sys/fs/cgroup/memory.max': 'max\n'})
    assert memory_of_the_process(root) == PHYSICAL
