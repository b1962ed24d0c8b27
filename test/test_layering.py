"""The architecture as a test: imports point down only."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

ROS = {
    'rclpy', 'message_filters', 'cv_bridge', 'sensor_msgs', 'sensor_msgs_py', 'std_msgs',
    'diagnostic_msgs', 'lifecycle_msgs', 'vision_msgs', 'rcl_interfaces', 'rosgraph_msgs',
    'builtin_interfaces', 'launch', 'launch_ros', 'ament_index_python', 'm3l_perception',
}  # fmt: skip

TOOLS = {
    'bench', 'benchmark', 'calibrate', 'evaluate', 'export', 'extract', 'train', 'rooms', 'replay'
}  # fmt: skip
# A grid is made of training's configurations, a table of evaluation's counts and intervals.
BESIDE = {'benchmark': {'train', 'evaluate'}}
PARTS = {'stream', 'runtime', 'network', 'data', 'bags', 'checkpoint'}
COMMAND_LINE = {'__main__', 'cli', 'commands'}


def modules(package: str) -> list[Path]:
    """Return the source files of a package or module, given by its dotted name."""
    path = ROOT / package.replace('.', '/')
    return sorted(path.rglob('*.py')) if path.is_dir() else [path.with_suffix('.py')]


def imported(path: Path) -> set[str]:
    """Return every dotted name a module imports, and its prefixes."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f'{node.module}.{alias.name}' for alias in node.names}
    return {'.'.join(n.split('.')[: i + 1]) for n in names for i in range(n.count('.') + 1)}


def core(names: set[str]) -> set[str]:
    return {f'm3l_core.{name}' for name in names}


VALUES = {
    path.stem
    for path in (ROOT / 'm3l_core').iterdir()
    if (path.suffix == '.py' or (path / '__init__.py').is_file())
} - (TOOLS | PARTS | COMMAND_LINE | {'__init__'})

FORBIDDEN = {
    'm3l_core': ROS,
    **{f'm3l_core.{name}': core(TOOLS | PARTS | COMMAND_LINE) for name in VALUES},
    **{f'm3l_core.{name}': core(TOOLS | COMMAND_LINE) for name in PARTS},
    **{
        f'm3l_core.{name}': core((TOOLS | COMMAND_LINE) - {name} - BESIDE.get(name, set()))
        for name in TOOLS
    },
}


@pytest.mark.parametrize('package', sorted(FORBIDDEN))
def test_package_imports_nothing_above_or_beside_it(package: str) -> None:
    for path in modules(package):
        if path.exists():  # not every tool has been written yet
            assert not imported(path) & FORBIDDEN[package], path.relative_to(ROOT)


@pytest.mark.parametrize('package', ['m3l_core.stream', 'm3l_core.runtime', 'm3l_core.bags'])
def test_robot_needs_no_torch(package: str) -> None:
    for path in modules(package):
        if path.name != 'torch_engine.py':
            assert 'torch' not in imported(path), path.relative_to(ROOT)


@pytest.mark.parametrize(
    ('engine', 'home'),
    [
        ('openvino', 'openvino_engine.py'),
        ('tensorrt', 'tensorrt_api.py'),
        ('pycuda', 'tensorrt_cuda.py'),
    ],
)
def test_engine_is_imported_in_one_file(engine: str, home: str) -> None:
    for path in modules('m3l_core') + modules('m3l_perception'):
        if path.name != home:
            assert engine not in imported(path), path.relative_to(ROOT)


def test_imports_are_absolute() -> None:
    for path in modules('m3l_core') + modules('m3l_perception'):
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            assert not (isinstance(node, ast.ImportFrom) and node.level), path.relative_to(ROOT)
