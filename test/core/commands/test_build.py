"""`m3l build` as a person runs it, with a stand-in for TensorRT."""

from __future__ import annotations

from importlib.util import find_spec
from io import StringIO
import sys
from typing import TYPE_CHECKING

import pytest

from m3l_core.cli import main
from m3l_core.commands import build
from m3l_core.runtime import open_engine, tensorrt_building
from m3l_core.runtime.tensorrt_cache import EngineFile
from m3l_core.runtime.tensorrt_key import BuildSettings, Machine
from m3l_core.runtime.tensorrt_progress import Bars, Lines
from m3l_core.runtime.tensorrt_toolkit import Plan

if TYPE_CHECKING:
    from pathlib import Path

    from m3l_core.model_card import ModelCard
    from m3l_core.runtime.engine import Engine
    from m3l_core.runtime.tensorrt_progress import Watcher

pytest.importorskip('openvino')

Capture = pytest.CaptureFixture[str]

THOR = Machine(
    tensorrt='10.16.2.10',
    gpu='NVIDIA Thor',
    compute_capability='11.0',
    multiprocessors=20,
    memory_gib=122,
    is_integrated=True,
    driver=13020,
    l4t='R39 (release), REVISION: 2.0',
    system='Linux aarch64',
)


class Toolkit:
    """Says it is a Jetson, and runs engines in OpenVINO."""

    def __init__(self, model: Path) -> None:
        self._model = model
        self.builds: list[BuildSettings] = []

    def machine(self) -> Machine:
        return THOR

    def build(
        self, graph: bytes, settings: BuildSettings, timing_cache: bytes, watcher: Watcher
    ) -> Plan:
        assert graph
        assert timing_cache == b''
        self.builds.append(settings)
        watcher.phase_start('Building engine', None, 10)
        watcher.phase_finish('Building engine')
        return Plan(b'plan', b'')

    def open(self, plan: bytes, card: ModelCard, precision: str) -> Engine:
        assert plan == b'plan'
        engine = open_engine(self._model, 'openvino', precision='float32', threads=1)
        engine.precision = precision
        assert engine.card == card
        return engine


@pytest.fixture
def toolkit(model: Path, monkeypatch: pytest.MonkeyPatch) -> Toolkit:
    stand_in = Toolkit(model)
    monkeypatch.setattr(tensorrt_building, 'load_toolkit', lambda _: stand_in)
    return stand_in


def test_build_says_where_the_engine_is_and_what_it_is_worth(
    toolkit: Toolkit, model: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert main(['build', str(model), '--cache', str(tmp_path / 'cache')]) == 0
    printed = capsys.readouterr()
    engine = EngineFile(tmp_path / 'cache' / 'tensorrt', model, THOR, 'float16')
    lines = printed.out.splitlines()
    assert lines[0] == f'engine: {engine.path} (0.0 MB)'
    assert lines[1].startswith(
        '  float16, optimization level 3, TensorRT 10.16.2.10, NVIDIA Thor, built 2'
    )
    assert lines[2] == 'labels as in tiny.parity.npz:'
    assert [line.split()[0] for line in lines[3:]] == ['RGBD', 'RGB_ONLY', 'DEPTH_ONLY']
    assert lines[3].endswith('100.000 % of those where float32 is sure')
    assert printed.err.splitlines() == [
        f'{engine.path}: no such engine.',
        'tiny.onnx: building a TensorRT engine in float16; this takes minutes',
        'Building engine',
    ]
    assert toolkit.builds == [BuildSettings()]


def test_engine_that_was_built_is_opened_by_its_name(
    toolkit: Toolkit, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('M3L_CACHE', str(tmp_path / 'cache'))
    assert main(['build', str(model)]) == 0
    engine = open_engine(model, 'tensorrt')
    assert engine.precision == 'float16'
    assert len(toolkit.builds) == 1


def test_float32_engine_is_taken_where_there_is_no_other(
    toolkit: Toolkit, model: Path, tmp_path: Path
) -> None:
    cache = tmp_path / 'cache'
    assert main(['build', str(model), '--cache', str(cache), '--precision', 'float32']) == 0
    assert open_engine(model, 'tensorrt', cache_dir=cache).precision == 'float32'
    assert toolkit.builds == [BuildSettings(precision='float32')]


def test_backend_tensorrt_builds_what_is_missing_and_says_so(
    toolkit: Toolkit, model: Path, tmp_path: Path
) -> None:
    said: list[str] = []
    open_engine(model, 'tensorrt', cache_dir=tmp_path / 'cache', say=said.append)
    assert said[1] == 'tiny.onnx: building a TensorRT engine in float16; this takes minutes'
    assert len(toolkit.builds) == 1


def test_auto_builds_nothing_and_names_the_command(
    toolkit: Toolkit, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('m3l_core.runtime.choosing.GPU_DEVICES', (tmp_path,))
    warned: list[str] = []
    engine = open_engine(model, cache_dir=tmp_path / 'cache', warn=warned.append)
    assert engine.backend != 'tensorrt'
    assert f'no such engine. Run: m3l build {model}' in warned[0]
    assert toolkit.builds == []


def test_settings_reach_the_build(toolkit: Toolkit, model: Path, tmp_path: Path) -> None:
    options = ['--workspace-mib', '512', '--optimization-level', '5', '--force']
    assert main(['build', str(model), '--cache', str(tmp_path / 'cache'), *options]) == 0
    assert toolkit.builds == [BuildSettings(workspace_mib=512, optimization_level=5)]


def test_defaults_are_those_of_the_settings(toolkit: Toolkit, model: Path, tmp_path: Path) -> None:
    main(['build', str(model), '--cache', str(tmp_path)])
    assert toolkit.builds == [BuildSettings()]


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        (['--workspace-mib', '0'], 'workspace_mib: expected 1 or more, got 0.'),
        (['--optimization-level', '6'], 'optimization_level: expected 0 to 5, got 6.'),
        (['--precision', 'int8'], "precision: expected one of float16, float32, got 'int8'."),
    ],
)
def test_settings_out_of_range_are_named(
    toolkit: Toolkit, model: Path, capsys: Capture, options: list[str], text: str
) -> None:
    assert main(['build', str(model), *options]) == 2
    assert capsys.readouterr().err == f'm3l: {text}\n'
    assert toolkit.builds == []


def test_model_that_is_none_is_named(toolkit: Toolkit, tmp_path: Path, capsys: Capture) -> None:
    assert main(['build', str(tmp_path / 'no.onnx')]) == 2
    assert f'{tmp_path}/no.onnx: No such file or directory.' in capsys.readouterr().err
    assert toolkit.builds == []


@pytest.mark.skipif(find_spec('tensorrt') is not None, reason='TensorRT is installed here')
def test_machine_without_tensorrt_is_told_what_to_install(model: Path, capsys: Capture) -> None:
    assert main(['build', str(model)]) == 2
    assert capsys.readouterr().err == (
        'm3l: m3l build needs tensorrt, which is not installed. '
        'Run: pip install "m3l_perception[tensorrt]" (on a Jetson, TensorRT comes with JetPack '
        '6.1 or newer; see docs/engines.md).\n'
    )


def test_library_that_cannot_be_loaded_is_named(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    (tmp_path / 'tensorrt.py').write_text(
        "raise ImportError('libnvinfer.so.10: cannot open shared object file')"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, 'tensorrt', raising=False)
    assert main(['build', str(model)]) == 2
    assert capsys.readouterr().err == (
        'm3l: m3l build cannot load its libraries: libnvinfer.so.10: cannot open shared object '
        'file. Are TensorRT, CUDA and the GPU driver installed? See docs/engines.md.\n'
    )


class Terminal(StringIO):
    """A terminal that keeps what it shows."""

    def isatty(self) -> bool:
        return True


def test_person_at_a_terminal_sees_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip('rich')
    terminal = Terminal()
    monkeypatch.setattr(sys, 'stderr', terminal)
    monkeypatch.setenv('TERM', 'xterm')
    monkeypatch.setenv('COLUMNS', '90')
    with build._shown() as (say, watcher):
        assert isinstance(watcher, Bars)
        say('building [a model]')
        watcher.phase_start('Building engine', None, 4)
        watcher.phase_start('Timing kernels', 'Building engine', 100)
        watcher.step_complete('Timing kernels', 49)
        watcher.step_complete('unheard of', 1)
        watcher.phase_finish('Timing kernels')
        watcher.step_complete('Building engine', 3)
        watcher.phase_finish('Building engine')
    shown = terminal.getvalue()
    assert 'building [a model]' in shown
    assert 'Building engine' in shown
    assert '4/4' in shown


def test_log_gets_a_line_now_and_then() -> None:
    said: list[str] = []
    now = [0.0]
    lines = Lines(said.append, clock=lambda: now[0])
    lines.phase_start('Building engine', None, 3)
    lines.phase_start('Timing kernels', 'Building engine', 200)
    for step in range(200):
        now[0] += 1 / 16
        lines.step_complete('Timing kernels', step)
    lines.phase_finish('Timing kernels')
    lines.step_complete('Timing kernels', 199)
    assert said == [
        'Building engine',
        'Timing kernels: 16%',
        'Timing kernels: 32%',
        'Timing kernels: 48%',
        'Timing kernels: 64%',
        'Timing kernels: 80%',
        'Timing kernels: 96%',
    ]
