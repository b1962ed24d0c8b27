"""Engines are built once, checked once, and never loaded blindly; TensorRT has a stand-in here."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
import fcntl
import os
from pathlib import Path
import signal
import subprocess
import sys
from threading import Event, Thread
from typing import Any, IO, TYPE_CHECKING

import numpy as np
import onnx
import pytest
from stand_in_toolkit import ORIN, StandInToolkit

from m3l_core.bench.worker import Worker
from m3l_core.errors import EngineError, M3lError, ModelError
from m3l_core.runtime import open_engine, Segmenter, tensorrt_building
from m3l_core.runtime.onnx_card import read_onnx_card, with_card
from m3l_core.runtime.parity import ParityError
from m3l_core.runtime.tensorrt_building import EngineStore, typed_graph
from m3l_core.runtime.tensorrt_cache import EngineFile
from m3l_core.runtime.tensorrt_key import BuildSettings
from m3l_core.runtime.tensorrt_toolkit import StaleEngineError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from m3l_core.frames import RgbdFrame
    from m3l_core.runtime.engine import Engine
    from m3l_core.runtime.tensorrt_progress import Watcher

STRICT = BuildSettings(precision='float32')


class Builder:
    """A machine with TensorRT, a folder of engines, and what it says."""

    def __init__(self, model: Path, folder: Path) -> None:
        self.model = model
        self.folder = folder
        self.toolkit = StandInToolkit(model)
        self.said: list[str] = []

    @property
    def store(self) -> EngineStore:
        return EngineStore(self.model, self.folder, self.toolkit, 'float32')

    def open(self) -> Engine:
        return self.store.open(say=self.said.append)

    def obtain(
        self, settings: BuildSettings = STRICT, *, force: bool = False, any_settings: bool = False
    ) -> Engine:
        return self.store.obtain(
            settings, say=self.said.append, force=force, any_settings=any_settings
        )


@pytest.fixture
def builder(model: Path, tmp_path: Path) -> Builder:
    return Builder(model, tmp_path / 'engines')


def suffixes(folder: Path) -> list[str]:
    """Return the kinds of files in a folder of one engine."""
    return sorted(path.suffix or path.name for path in folder.iterdir())


def test_first_start_builds_and_checks_and_the_second_does_neither(
    builder: Builder, frame: RgbdFrame
) -> None:
    engine = builder.obtain()
    assert builder.said == [
        f'{builder.store.file.path}: no such engine.',
        'tiny.onnx: building a TensorRT engine in float32; this takes minutes',
    ]
    assert suffixes(builder.folder) == ['.cache', '.engine', '.json', '.lock']
    modes = builder.store.parity()['modes']
    assert set(modes) == {'RGBD', 'RGB_ONLY', 'DEPTH_ONLY'}
    assert all(values['total'] >= 99.9 for values in modes.values())
    builder.store.parity_path.touch()
    builder.toolkit.wrong_rows = 30  # would be found if it were checked again
    again = builder.obtain()
    assert builder.toolkit.builds == 1
    assert engine is not again
    assert Segmenter(again).segment(frame).labels.shape == (64, 96)


def test_record_tells_what_was_built_where_and_how(builder: Builder) -> None:
    builder.obtain()
    record = builder.store.file.record()
    assert record['machine']['gpu'] == 'Orin'
    assert record['settings'] == {
        'precision': 'float32', 'workspace_mib': 1024, 'optimization_level': 3
    }  # fmt: skip
    assert record['warnings'] == ['Detected layernorm nodes in FP16.']
    assert record['model'] == 'tiny.onnx'
    assert record['build_seconds'] >= 0


def test_measured_times_go_into_the_next_build(builder: Builder) -> None:
    builder.obtain()
    builder.obtain(force=True)
    assert builder.toolkit.timing_caches == [b'', b'times']


def test_times_of_another_version_are_not_used(builder: Builder) -> None:
    builder.obtain()
    builder.toolkit.here = replace(ORIN, tensorrt='10.7.0')
    builder.obtain()
    assert builder.toolkit.timing_caches == [b'', b'']


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        ({'tensorrt': '10.16.2'}, 'tensorrt 10.3.0, here 10.16.2'),
        ({'gpu': 'Thor', 'compute_capability': '11.0'}, 'gpu Orin, here Thor, compute_cap'),
        ({'multiprocessors': 8}, 'multiprocessors 16, here 8'),
        ({'memory_gib': 30}, 'memory_gib 62, here 30'),
        ({'driver': 13000}, 'driver 12060, here 13000'),
        ({'l4t': ''}, 'REVISION: 4.3, here '),
        ({'system': 'Linux x86_64'}, 'system Linux aarch64, here Linux x86_64'),
    ],
)
def test_another_machine_builds_its_own(
    builder: Builder, change: dict[str, object], said: str
) -> None:
    builder.obtain()
    builder.toolkit.here = replace(ORIN, **change)  # type: ignore[arg-type]
    with pytest.raises(StaleEngineError, match='no such engine; the last one was built with'):
        builder.open()
    builder.obtain()
    assert said in builder.said[-2]
    assert builder.toolkit.builds == 2


def test_changed_model_is_built_again(builder: Builder) -> None:
    builder.obtain()
    data = builder.model.read_bytes()
    card = replace(read_onnx_card(builder.model), license_note='changed')
    builder.model.write_bytes(with_card(data, card))
    builder.obtain()
    assert 'no such engine; the last one was built with another tiny.onnx.' in builder.said[-2]
    assert builder.toolkit.builds == 2


def test_copy_under_the_name_of_another_is_refused(builder: Builder) -> None:
    """As when a person renames the engine of an old version to have it taken."""
    builder.obtain()
    old = builder.store.file.path
    builder.toolkit.here = replace(ORIN, tensorrt='10.16.2')
    for suffix in ('.engine', '.json'):
        old.with_suffix(suffix).rename(builder.store.file.path.with_suffix(suffix))
    with pytest.raises(StaleEngineError) as caught:
        builder.open()
    assert str(caught.value) == (
        f'{builder.store.file.path}: was built for another model, machine or version; '
        'the last one was built with tensorrt 10.3.0, here 10.16.2.'
    )
    builder.obtain()
    assert builder.toolkit.builds == 2


@pytest.mark.parametrize('keep', [0, 1, -1])
def test_truncated_engine_is_never_loaded(builder: Builder, keep: int) -> None:
    builder.obtain()
    path = builder.store.file.path
    whole = path.read_bytes()
    path.write_bytes(whole[:keep])
    with pytest.raises(StaleEngineError) as caught:
        builder.open()
    assert str(caught.value) == (
        f'{path}: is damaged: expected the {len(whole)} bytes that were built, '
        f'got {len(whole[:keep])} with another hash.'
    )
    assert len(builder.toolkit.opened) == 1
    builder.obtain()
    assert builder.toolkit.builds == 2


def test_engine_with_one_bit_turned_is_never_loaded(builder: Builder) -> None:
    builder.obtain()
    path = builder.store.file.path
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(StaleEngineError, match='is damaged'):
        builder.open()


@pytest.mark.parametrize('text', ['', '[]', '{"key"', '{}'])
def test_engine_with_a_damaged_record_is_built_again(builder: Builder, text: str) -> None:
    builder.obtain()
    builder.store.file.path.with_suffix('.json').write_text(text)
    builder.obtain()
    assert builder.toolkit.builds == 2


def test_engine_that_tensorrt_refuses_is_built_again(builder: Builder) -> None:
    builder.obtain()
    builder.toolkit.refused.add(builder.store.file.path.read_bytes())
    builder.obtain()
    assert builder.said[-2] == 'TensorRT 10.3.0 cannot load the engine: magicTag.'
    assert builder.toolkit.builds == 2


def test_lack_of_memory_is_no_reason_to_build_again(builder: Builder) -> None:
    builder.obtain()
    builder.toolkit.fails_to_run = True
    with pytest.raises(EngineError, match='out of memory'):
        builder.obtain()
    assert builder.toolkit.builds == 1


def test_other_settings_build_again_only_where_they_matter(builder: Builder) -> None:
    builder.obtain()
    thorough = replace(STRICT, optimization_level=5)
    builder.obtain(thorough, any_settings=True)
    assert builder.toolkit.builds == 1
    builder.obtain(thorough)
    assert builder.said[-2].endswith('.engine: was built with optimization_level 3, not 5')
    assert builder.toolkit.builds == 2
    assert builder.store.file.record()['settings']['optimization_level'] == 5


def test_wrong_engine_is_refused_by_name_and_not_tried_again(builder: Builder) -> None:
    builder.toolkit.wrong_rows = 30
    with pytest.raises(ParityError) as caught:
        builder.obtain()
    told = str(caught.value)
    assert told.startswith(f'{builder.store.file.path}: tensorrt float32: computes other labels')
    command = f'm3l build {builder.model} --precision float32 --force'
    assert told.endswith(f'Or build another: {command}')
    assert '\n' not in told
    assert builder.toolkit.opened[0].is_closed
    for attempt in (builder.open, builder.obtain):
        with pytest.raises(ParityError) as caught:
            attempt()
        assert str(caught.value) == told
    assert (builder.toolkit.builds, len(builder.toolkit.opened)) == (1, 1)


def test_force_builds_again_and_clears_what_was_wrong(builder: Builder) -> None:
    builder.toolkit.wrong_rows = 30
    with pytest.raises(ParityError):
        builder.obtain()
    builder.toolkit.wrong_rows = 0
    builder.obtain(force=True)
    assert builder.store.parity()['problem'] == ''
    assert builder.open().backend == 'tensorrt'


def test_other_parity_file_checks_again(builder: Builder, tiny_parity: bytes) -> None:
    builder.obtain()
    with np.load(builder.store.parity_path) as archive:
        arrays = dict(archive)
    arrays['RGBD.labels'] = (arrays['RGBD.labels'] + 1) % 13
    np.savez(builder.store.parity_path, **arrays)
    with pytest.raises(ParityError, match='RGBD: expected the same label in'):
        builder.obtain()
    builder.store.parity_path.write_bytes(tiny_parity)
    builder.obtain()
    assert builder.toolkit.builds == 1


@pytest.mark.parametrize('damage', ['cut off', 'altered'])
def test_damaged_parity_file_is_not_held_against_the_engine(
    builder: Builder, tiny_parity: bytes, damage: str
) -> None:
    middle = len(tiny_parity) // 2
    altered = tiny_parity[: middle - 500] + b'\xff' * 1000 + tiny_parity[middle + 500 :]
    builder.store.parity_path.write_bytes(b'PK cut off' if damage == 'cut off' else altered)
    with pytest.raises(EngineError, match=r'tiny\.parity\.npz: is missing, damaged or of'):
        builder.obtain()
    assert builder.store.parity() == {}
    builder.store.parity_path.write_bytes(tiny_parity)
    builder.obtain()
    assert builder.toolkit.builds == 1


def test_model_without_a_parity_file_is_refused_before_the_build(builder: Builder) -> None:
    builder.store.parity_path.unlink()
    with pytest.raises(EngineError, match=r'tiny\.parity\.npz: no such file, and without it'):
        builder.obtain()
    assert builder.toolkit.builds == 0


def test_opening_builds_nothing(builder: Builder) -> None:
    with pytest.raises(StaleEngineError, match='no such engine'):
        builder.open()
    assert builder.toolkit.builds == 0


def test_two_nodes_may_open_an_engine_at_once(builder: Builder) -> None:
    builder.obtain()
    with builder.store.file.unchanging():
        assert builder.open().backend == 'tensorrt'


def test_force_builds_although_it_waited_for_who_only_opens(builder: Builder) -> None:
    builder.obtain()
    builder.said.clear()
    thread = Thread(target=lambda: builder.obtain(force=True))
    with builder.store.file.unchanging():
        thread.start()
        while not builder.said:
            thread.join(0.01)
        assert 'waiting for another process' in builder.said[0]
    thread.join()
    assert builder.toolkit.builds == 2


def test_model_that_changes_before_its_build_is_not_built(builder: Builder) -> None:
    store = builder.store
    builder.model.write_bytes(builder.model.read_bytes() + b'\0')
    with pytest.raises(ModelError, match=r'tiny\.onnx: changed meanwhile\. Start again\.'):
        store.obtain(STRICT, say=builder.said.append)
    assert builder.toolkit.builds == 0


def _refuse_to_write(monkeypatch: pytest.MonkeyPatch, what: str, problem: Exception) -> None:
    def refuse(*_: object) -> None:
        raise problem

    monkeypatch.setattr(EngineFile, what, refuse)


def test_times_that_cannot_be_kept_cost_no_build(
    builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    _refuse_to_write(monkeypatch, 'store_timing_cache', M3lError('t.cache: cannot be written.'))
    assert builder.obtain().backend == 'tensorrt'
    assert builder.said[-1] == (
        't.cache: cannot be written. The next build takes as long as this one.'
    )


def test_check_that_cannot_be_recorded_counts_all_the_same(
    builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    _refuse_to_write(monkeypatch, 'record_parity', EngineError('x.json: cannot be written.'))
    assert builder.obtain().backend == 'tensorrt'
    told = 'x.json: cannot be written. So the next start checks the engine again.'
    assert builder.said[-1] == told
    builder.toolkit.wrong_rows = 30
    with pytest.raises(ParityError):
        builder.open()
    assert builder.said[-2:] == [told, told]


def test_folder_without_locks_is_named(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on NFS without its lock service."""
    builder.obtain()

    def refuse(*_: object) -> None:
        raise OSError(37, 'No locks available')

    monkeypatch.setattr(fcntl, 'flock', refuse)
    for attempt in (builder.open, builder.obtain):
        with pytest.raises(EngineError, match=r'\.lock: cannot be locked: No locks available\.'):
            attempt()


@pytest.fixture
def here(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> Builder:
    """The machine with its stand-in, and its folder, as every command finds them."""
    monkeypatch.setattr(tensorrt_building, 'load_toolkit', lambda _: builder.toolkit)
    monkeypatch.setenv('M3L_CACHE', str(builder.folder))
    builder.folder = builder.folder / 'tensorrt'
    return builder


def test_measuring_builds_nothing_and_says_how_to(here: Builder) -> None:
    frames = str(here.store.parity_path)
    worker = Worker(str(here.model), frames, 'tensorrt', 'float32', 1, '')
    with pytest.raises(EngineError) as caught:
        worker.open()
    command = f'm3l build {here.model} --precision float32'
    assert str(caught.value).endswith(f'no such engine. Run: {command}')
    assert here.toolkit.builds == 0
    here.obtain()
    assert worker.open()['device'] == 'cuda'


def test_float16_engine_that_is_passed_by_is_told(here: Builder) -> None:
    here.obtain()
    here.toolkit.wrong_rows = 30
    half = EngineStore(here.model, here.folder, here.toolkit, 'float16')
    with pytest.raises(ParityError):
        half.obtain(BuildSettings(), say=here.said.append)
    warnings: list[str] = []
    engine = open_engine(here.model, 'tensorrt', warn=warnings.append)
    assert engine.precision == 'float32'
    assert len(warnings) == 1
    assert warnings[0].startswith(f'{half.file.path}: tensorrt float16: computes other labels')


def test_engine_in_the_folder_of_another_user_is_opened(builder: Builder) -> None:
    """As when an administrator built it for a service; root may write anywhere, so it is read."""
    builder.obtain()
    before = {path: path.stat().st_mtime_ns for path in builder.folder.iterdir()}
    builder.open()
    assert {path: path.stat().st_mtime_ns for path in builder.folder.iterdir()} == before


@pytest.mark.parametrize('suffix', ['.engine', '.lock', '.parity.npz'])
def test_file_that_may_not_be_read_is_named(
    builder: Builder, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    """Permissions keep root from nothing, so they are made up."""
    builder.obtain()
    open_path = Path.open

    def refuse(path: Path, *args: Any, **options: Any) -> Any:
        if path.name.endswith(suffix):
            raise PermissionError(13, 'Permission denied')
        return open_path(path, *args, **options)

    monkeypatch.setattr(Path, 'open', refuse)
    with pytest.raises(EngineError, match=rf'{suffix}: cannot be read: Permission denied\.$'):
        builder.open()


def test_graph_is_typed_as_asked(model: Path) -> None:
    types = {}
    for precision in ('float16', 'float32'):
        graph = onnx.load_from_string(typed_graph(model.read_bytes(), precision))
        types[precision] = {tensor.data_type for tensor in graph.graph.initializer}
    half, single = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT
    assert half in types['float16']
    assert single in types['float32']
    assert half not in types['float32']


def test_without_onnx_the_extra_that_brings_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, 'm3l_core.runtime.mixed_graph', raising=False)
    monkeypatch.setitem(sys.modules, 'onnx', None)
    with pytest.raises(EngineError) as caught:
        typed_graph(b'', 'float16')
    assert str(caught.value) == (
        'building a TensorRT engine needs onnx, which is not installed. '
        'Run: pip install "m3l_perception[tensorrt]"'
    )


def test_damaged_model_is_named_before_the_build(builder: Builder) -> None:
    builder.model.write_bytes(builder.model.read_bytes()[:5000])
    with pytest.raises(ModelError, match=r'tiny\.onnx: is damaged'):
        builder.obtain()


def test_folder_that_cannot_be_written_is_named(model: Path, tmp_path: Path) -> None:
    (tmp_path / 'file').write_bytes(b'')
    with pytest.raises(EngineError) as caught:
        Builder(model, tmp_path / 'file' / 'engines').obtain()
    assert str(caught.value) == (
        f'{tmp_path}/file/engines: engines cannot be kept there: Not a directory. '
        'Give another folder with --cache or $M3L_CACHE.'
    )


def test_interrupted_build_stops_at_its_next_step(model: Path, tmp_path: Path) -> None:
    """Ctrl-C reaches the main thread, which tells TensorRT; the build ends before it goes on."""
    is_canceled: list[bool] = []

    def interrupt(watcher: Watcher) -> None:
        Event().wait(0.1)  # by now the main thread waits for the build
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):
            if watcher.is_canceled:
                break
            Event().wait(0.01)
        is_canceled.append(watcher.is_canceled)

    builder = Builder(model, tmp_path / 'engines')
    builder.toolkit = StandInToolkit(model, while_building=interrupt)
    with pytest.raises(KeyboardInterrupt):
        builder.obtain()
    assert is_canceled == [True]
    assert suffixes(builder.folder) == ['.lock']


@contextmanager
def child(model: Path, folder: Path, stop_at: str) -> Iterator[subprocess.Popen[str]]:
    """Run a builder in another process until it stops where it was told to."""
    script = Path(__file__).with_name('stand_in_toolkit.py')
    command = [sys.executable, str(script), str(model), str(folder), stop_at]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        wait_for('stopped', process.stdout)
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for(line: str, output: IO[str]) -> None:
    for printed in output:
        if printed.strip() == line:
            return
    pytest.fail(f'the child ended before it printed {line!r}')


@pytest.mark.parametrize(
    ('stop_at', 'left'), [('build', ['.lock']), ('record', ['.engine', '.lock'])]
)
def test_killed_build_leaves_nothing_that_is_taken_for_an_engine(
    builder: Builder, stop_at: str, left: list[str]
) -> None:
    with child(builder.model, builder.folder, stop_at) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert suffixes(builder.folder) == left
    with pytest.raises(StaleEngineError, match='no such engine'):
        builder.open()
    builder.obtain()  # and the lock died with its holder
    assert builder.toolkit.builds == 1


@pytest.mark.parametrize('force', [False, True])
def test_second_builder_waits_and_takes_what_the_first_built(
    builder: Builder, force: bool
) -> None:
    with child(builder.model, builder.folder, 'build') as process:
        with pytest.raises(EngineError, match=r'\.engine: another process is building it\.'):
            builder.open()
        engines: list[Engine] = []
        thread = Thread(target=lambda: engines.append(builder.obtain(force=force)))
        thread.start()
        while not builder.said:
            thread.join(0.01)
        assert builder.said == [
            f'{builder.store.file.path.name}: waiting for another process that builds or opens it'
        ]
        process.communicate('go on\n')
        thread.join()
    assert process.returncode == 0
    assert [engine.backend for engine in engines] == ['tensorrt']
    assert builder.toolkit.builds == 0
