"""What this machine lacks, said in the first lines; and the data that only some machines have."""

from __future__ import annotations

from importlib.util import find_spec
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# launch_ros, not launch: our own launch/ folder looks like a namespace package of that name.
OPTIONAL_MODULES = {
    'rclpy': 'the tests in test/ros are left out',
    'launch_ros': 'the launch file is not started',
    'cv_bridge': 'what is left to it is tested with a stand-in',
    'h5py': 'labels of SUN RGB-D as published are not read',
    'scipy': 'lists of SUN RGB-D as published are not read',
    'torch': 'network, training, export and engines are not tested',
    'onnx': 'export and engines are not tested',
    'openvino': 'the CPU engine is not tested',
    'onnxruntime': 'it does not say whether the graphs are valid',
    'tensorrt': 'the TensorRT engine is not tested',
}

NEED_TORCH = ['core/commands', 'core/export', 'core/network', 'core/runtime/test_engines.py']
"""Tests that make a network first; the rest of the tests pass on a robot without torch."""

collect_ignore = [
    *([] if find_spec('rclpy') else ['ros']),
    *([] if find_spec('torch') and find_spec('onnx') else NEED_TORCH),
]


def data_root() -> Path:
    """Return where optional data sets are, or would be."""
    return Path(os.environ.get('M3L_DATA') or ROOT.parent / 'shared' / 'data')


def pytest_report_header() -> list[str]:
    missing = {name: meaning for name, meaning in OPTIONAL_MODULES.items() if not find_spec(name)}
    if not _has_cuda():
        missing['CUDA'] = 'nothing runs on a GPU'
    if not data_root().is_dir():
        missing['data'] = f'no folder {data_root()} (set M3L_DATA); real images are not read'
    return [f'absent: {name}: {meaning}' for name, meaning in missing.items()]


def _has_cuda() -> bool:
    if not find_spec('torch'):
        return False
    import torch

    return torch.cuda.is_available()


@pytest.fixture(scope='session', autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep what tests compile out of the user's cache, in the processes they start too."""
    os.environ['M3L_CACHE'] = str(tmp_path_factory.mktemp('cache'))


@pytest.fixture(scope='session')
def data_folder() -> Path:
    """The folder of optional data sets; whoever asks for it is skipped where there is none."""
    if not data_root().is_dir():
        pytest.skip(f'no data in {data_root()}; set M3L_DATA')
    return data_root()
