"""An engine is built when it is asked for and has to be, from a graph typed as asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
import sys
from typing import TYPE_CHECKING

import onnx
import pytest
from stand_in_builder import Builder, failing, STRICT, suffixes
from stand_in_toolkit import ORIN

from m3l_core.bench.worker import Worker
from m3l_core.errors import EngineError, M3lError, ModelError
from m3l_core.runtime import open_engine, Segmenter, tensorrt_building
from m3l_core.runtime.parity import ParityError
from m3l_core.runtime.tensorrt_building import EngineStore, typed_graph
from m3l_core.runtime.tensorrt_cache import EngineFile
from m3l_core.runtime.tensorrt_key import BuildSettings
from m3l_core.runtime.tensorrt_toolkit import StaleEngineError

if TYPE_CHECKING:
    from m3l_core.frames import RgbdFrame


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


def test_opening_builds_nothing(builder: Builder) -> None:
    with pytest.raises(StaleEngineError, match='no such engine'):
        builder.open()
    assert builder.toolkit.builds == 0


def test_other_settings_build_again_only_where_they_matter(builder: Builder) -> None:
    builder.obtain()
    thorough = replace(STRICT, optimization_level=5)
    builder.obtain(thorough, any_settings=True)
    assert builder.toolkit.builds == 1
    builder.obtain(thorough)
    assert builder.said[-2].endswith('.engine: was built with optimization_level 3, not 5')
    assert builder.toolkit.builds == 2
    assert builder.store.file.record()['settings']['optimization_level'] == 5


def test_lack_of_memory_is_no_reason_to_build_again(builder: Builder) -> None:
    builder.obtain()
    builder.toolkit.fails_to_run = True
    with pytest.raises(EngineError, match='out of memory'):
        builder.obtain()
    assert builder.toolkit.builds == 1


def test_measured_times_go_into_the_next_build(builder: Builder) -> None:
    builder.obtain()
    builder.obtain(force=True)
    assert builder.toolkit.timing_caches == [b'', b'times']


def test_times_of_another_version_are_not_used(builder: Builder) -> None:
    builder.obtain()
    builder.toolkit.here = replace(ORIN, tensorrt='10.7.0')
    builder.obtain()
    assert builder.toolkit.timing_caches == [b'', b'']


def test_times_that_cannot_be_kept_cost_no_build(
    builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = M3lError('t.cache: cannot be written.')
    monkeypatch.setattr(EngineFile, 'store_timing_cache', failing(problem))
    assert builder.obtain().backend == 'tensorrt'
    assert builder.said[-1] == (
        't.cache: cannot be written. The next build takes as long as this one.'
    )


def test_model_that_changes_before_its_build_is_not_built(builder: Builder) -> None:
    store = builder.store
    builder.model.write_bytes(builder.model.read_bytes() + b'\0')
    with pytest.raises(ModelError, match=r'tiny\.onnx: changed meanwhile\. Start again\.'):
        store.obtain(STRICT, say=builder.said.append)
    assert builder.toolkit.builds == 0


def test_damaged_model_is_named_before_the_build(builder: Builder) -> None:
    builder.model.write_bytes(builder.model.read_bytes()[:5000])
    with pytest.raises(ModelError, match=r'tiny\.onnx: is damaged'):
        builder.obtain()


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
