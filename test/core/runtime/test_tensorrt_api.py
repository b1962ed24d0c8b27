"""Every name and signature of TensorRT that we use is in its bindings, from 10.3 to 11.

The bindings are not ours to ship. A folder of their wheels is named by M3L_TENSORRT_BINDINGS;
docs/engines.md tells how to fill it.
"""

from __future__ import annotations

import os
from pathlib import Path
import shutil
import subprocess
import sys

from bindings_contract import make_stubs, unpack
import pytest

from m3l_core.runtime import tensorrt_toolkit

VARIABLE = 'M3L_TENSORRT_BINDINGS'
TAG = f'cp{sys.version_info.major}{sys.version_info.minor}'
CONTRACT = Path(__file__).with_name('bindings_contract.py')
SOURCE = Path(tensorrt_toolkit.__file__).with_name('tensorrt_api.py')

WHEELS = (
    sorted(Path(os.environ[VARIABLE]).glob(f'tensorrt_cu*_bindings-*-{TAG}-*.whl'))
    if VARIABLE in os.environ
    else []
)

USED = """
Builder.build_serialized_network Builder.create_builder_config Builder.create_network
BuilderFlag.TF32
IBuilderConfig.builder_optimization_level IBuilderConfig.clear_flag
IBuilderConfig.create_timing_cache IBuilderConfig.get_timing_cache IBuilderConfig.max_aux_streams
IBuilderConfig.progress_monitor IBuilderConfig.set_memory_pool_limit
IBuilderConfig.set_timing_cache
ICudaEngine.create_execution_context ICudaEngine.get_tensor_dtype ICudaEngine.get_tensor_mode
ICudaEngine.get_tensor_name ICudaEngine.get_tensor_shape ICudaEngine.num_io_tensors
IExecutionContext.execute_async_v3 IExecutionContext.set_tensor_address
ILogger.Severity ILogger.__init__ IProgressMonitor.__init__ ITimingCache.serialize
MemoryPoolType.WORKSPACE NetworkDefinitionCreationFlag.STRONGLY_TYPED
OnnxParser.get_error OnnxParser.num_errors OnnxParser.parse
ParserError.desc ParserError.node_name ParserError.node_operator
Runtime.deserialize_cuda_engine Severity.ERROR Severity.WARNING TensorIOMode.INPUT
tensorrt_bindings.Builder tensorrt_bindings.BuilderFlag tensorrt_bindings.ILogger
tensorrt_bindings.IProgressMonitor tensorrt_bindings.MemoryPoolType
tensorrt_bindings.NetworkDefinitionCreationFlag tensorrt_bindings.OnnxParser
tensorrt_bindings.Runtime tensorrt_bindings.TensorIOMode tensorrt_bindings.__version__
tensorrt_bindings.nptype
""".split()  # noqa: SIM905
"""All of TensorRT that our source names: if following it missed a part, this would tell."""

pytestmark = [
    pytest.mark.tensorrt,
    pytest.mark.skipif(
        not WHEELS or shutil.which('gcc') is None,
        reason=f'{VARIABLE} names no folder with wheels of tensorrt bindings for {TAG}, or there '
        'is no gcc: our calls were not held against the real API',
    ),
]


@pytest.fixture(scope='module', params=WHEELS or [Path()], ids=lambda wheel: wheel.name[:32])
def bindings(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """The environment in which `import tensorrt` gives the bindings of one version."""
    folder = tmp_path_factory.mktemp('bindings')
    wheel: Path = request.param
    unpack(wheel, folder)
    make_stubs(folder, int(wheel.name.split('-')[1].split('.')[0]))
    return os.environ | {'LD_LIBRARY_PATH': str(folder), 'PYTHONPATH': str(folder)}


def run(bindings: dict[str, str], *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, env=bindings, capture_output=True, text=True, check=False)


def test_every_name_and_signature_we_use_exists(bindings: dict[str, str]) -> None:
    done = run(bindings, CONTRACT, SOURCE)
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith('problem')] == [], done.stderr
    assert [line.removeprefix('checked: ') for line in lines] == USED


@pytest.mark.parametrize(
    ('ours', 'mistaken', 'problem'),
    [
        ('trt.BuilderFlag.TF32', 'trt.BuilderFlag.TF16', 'there is no BuilderFlag.TF16'),
        ('builder.create_network(flags)', 'builder.create_network(flags, 1)', 'does not take'),
        ('.execute_async_v3(stream)', '.execute_async_v3()', 'does not take what it is given'),
        ('.execute_async_v3(stream)', '.execute_async_v2(stream)', 'there is no IExecutionC'),
        ('ignore_mismatch=False', 'ignore=False', 'does not take what it is given'),
        ('config.max_aux_streams = 0', 'config.aux_streams = 0', 'cannot set config.aux_stream'),
        ('error.desc()', 'error.text()', 'there is no ParserError.text'),
        ('cache.serialize()', 'cache.bytes()', 'there is no ITimingCache.bytes'),
        ('phase_name: str, step: int', 'step: int, phase_name: str', 'step_complete: takes'),
        ('severity: trt.ILogger.Severity, msg: str', 'msg: str', 'log: takes'),
    ],
)
def test_mistakes_are_found(
    bindings: dict[str, str], tmp_path: Path, ours: str, mistaken: str, problem: str
) -> None:
    source = SOURCE.read_text(encoding='utf-8')
    assert ours in source
    (tmp_path / 'mistaken.py').write_text(source.replace(ours, mistaken), encoding='utf-8')
    done = run(bindings, CONTRACT, tmp_path / 'mistaken.py')
    assert problem in done.stdout
    assert done.returncode == 1


START = """
from m3l_core.errors import EngineError
from m3l_core.runtime import tensorrt_api
from m3l_core.runtime.tensorrt_key import BuildSettings
from m3l_core.runtime.tensorrt_progress import Lines
print(tensorrt_api.version().split('.')[0])
for attempt in (
    lambda: tensorrt_api.LoadedPlan(b'plan'),
    lambda: tensorrt_api.build_plan(b'graph', BuildSettings(), b'', Lines(print)),
):
    try:
        attempt()
    except EngineError as error:
        print(error)
"""


def test_builder_and_runtime_that_cannot_be_made_are_told(bindings: dict[str, str]) -> None:
    """As without a GPU: the stubs return null, which the real bindings make a TypeError."""
    done = run(bindings, '-c', START)
    major, *errors = done.stdout.splitlines()
    assert major in ('10', '11')
    assert len(errors) == 2, done.stderr
    for error in errors:
        assert error.startswith(f'TensorRT {major}.')
        assert error.endswith(
            'cannot start: it gives no reason. Is there a GPU, and does its driver work?'
        )


SPEAK = """
import tensorrt as trt
from m3l_core.runtime import tensorrt_api
from m3l_core.runtime.tensorrt_progress import Lines
log = tensorrt_api._Log()
for severity in trt.ILogger.Severity.__members__.values():
    log.log(severity, f'{severity.name} told')
print(log.reason(), log.warnings, log.error_count, sep='|')
watcher = Lines(print)
monitor = tensorrt_api._Monitor(watcher)
monitor.phase_start('Building', None, 4)
print(monitor.step_complete('Building', 0))
watcher.is_canceled = True
print(monitor.step_complete('Building', 1))
"""


def test_logger_and_monitor_are_what_the_bindings_take(bindings: dict[str, str]) -> None:
    done = run(bindings, '-c', SPEAK)
    assert done.stdout.splitlines() == [
        "INTERNAL_ERROR told; ERROR told|['WARNING told']|2", 'Building', 'True', 'False'
    ], done.stderr  # fmt: skip
