"""Order of calls, contexts, threads and buffers of the TensorRT engine, over stand-in libraries.

What the stand-ins take, the real ones may still refuse; see `fake_gpu`. The last test runs the
real ones where they are.
"""

from __future__ import annotations

import gc
from importlib import import_module
from importlib.util import find_spec
import sys
from threading import Thread
from types import ModuleType
from typing import Any, TYPE_CHECKING
import weakref

from fake_gpu import FakeGpu, SHAPE
import numpy as np
import pytest

from m3l_core.errors import EngineError, FrameError, ModelError
from m3l_core.runtime.tensorrt_key import BuildSettings
from m3l_core.runtime.tensorrt_progress import Lines
from m3l_core.runtime.tensorrt_toolkit import StaleEngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from m3l_core.model_card import ModelCard

OURS = ('tensorrt_api', 'tensorrt_cuda', 'tensorrt_engine')


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGpu]:
    """Stand-ins for both libraries, and our modules imported over them."""
    fake = FakeGpu()
    pycuda: Any = ModuleType('pycuda')
    pycuda.driver = fake.cuda
    for name, module in (
        ('pycuda', pycuda), ('pycuda.driver', fake.cuda), ('tensorrt', fake.trt)
    ):  # fmt: skip
        monkeypatch.setitem(sys.modules, name, module)
    _forget_ours()
    yield fake
    assert fake.stack == []
    _forget_ours()


def _forget_ours() -> None:
    for name in OURS:
        sys.modules.pop(f'm3l_core.runtime.{name}', None)


def ours(name: str) -> Any:
    return import_module(f'm3l_core.runtime.{name}')


def open_engine(card: ModelCard) -> Any:
    return ours('tensorrt_engine').TensorRtEngine(b'plan', card, precision='float16')


def inputs(seed: int = 0) -> dict[str, Any]:
    generator = np.random.default_rng(seed)
    return {
        'rgb': generator.integers(0, 255, (1, *SHAPE, 3), np.uint8),
        'depth': generator.uniform(0, 20, (1, *SHAPE)).astype(np.float32),
        'present': np.ones((1, 2), np.float32),
    }


def in_thread(work: Callable[[], object], name: str) -> None:
    thread = Thread(target=work, name=name)
    thread.start()
    thread.join()


def build(gpu: FakeGpu, settings: BuildSettings | None = None, times: bytes = b'') -> Any:
    assert gpu
    toolkit = ours('tensorrt_engine').TensorRtToolkit()
    return toolkit.build(b'graph', settings or BuildSettings(), times, Lines(lambda _: None))


def test_outputs_are_computed_from_what_was_uploaded(gpu: FakeGpu, tiny_card: ModelCard) -> None:
    assert gpu
    engine, given = open_engine(tiny_card), inputs()
    labels, confidence = engine.run(**given)
    np.testing.assert_array_equal(labels, given['rgb'][..., 0] % 13)
    np.testing.assert_array_equal(confidence, (given['depth'] * 10).astype(np.uint8))
    kept = labels.copy()
    engine.run(**inputs(1))
    np.testing.assert_array_equal(labels, kept)


def test_arrays_that_are_not_contiguous_are_taken(gpu: FakeGpu, tiny_card: ModelCard) -> None:
    assert gpu
    engine, given = open_engine(tiny_card), inputs()
    given['rgb'] = given['rgb'][..., ::-1]
    labels, _ = engine.run(**given)
    np.testing.assert_array_equal(labels, given['rgb'][..., 0] % 13)


def test_a_run_uploads_each_input_and_downloads_each_output_once(
    gpu: FakeGpu, tiny_card: ModelCard
) -> None:
    engine = open_engine(tiny_card)
    gpu.events.clear()
    engine.run(**inputs())
    assert gpu.events == [
        'push', *['upload'] * 3, 'enqueue', *['download'] * 2, 'synchronize', 'pop'
    ]  # fmt: skip


def test_all_is_freed_in_order_while_the_context_is_current(
    gpu: FakeGpu, tiny_card: ModelCard
) -> None:
    engine = open_engine(tiny_card)
    engine.run(**inputs())
    gpu.events.clear()
    engine.close()
    engine.close()
    assert gpu.events == [
        'push', 'synchronize', 'free context', 'free engine', 'free runtime',
        *['free device'] * 5, *['free host'] * 5, 'free stream', 'pop',
    ]  # fmt: skip
    assert gpu.memory == {}
    assert gpu.live_host == 0


def test_closed_engine_says_so(gpu: FakeGpu, tiny_card: ModelCard) -> None:
    assert gpu
    engine = open_engine(tiny_card)
    engine.close()
    with pytest.raises(EngineError, match=r'engine: it is closed\. Open it again\.'):
        engine.run(**inputs())


def test_forgotten_engine_is_freed(gpu: FakeGpu, tiny_card: ModelCard) -> None:
    engine = open_engine(tiny_card)
    del engine
    gc.collect()
    assert gpu.memory == {}
    assert gpu.events[-1] == 'pop'


def test_every_thread_ends_with_no_context_of_its_own(gpu: FakeGpu, tiny_card: ModelCard) -> None:
    engines: list[Any] = []
    in_thread(lambda: engines.append(open_engine(tiny_card)), 'opens')
    in_thread(lambda: engines[0].run(**inputs()), 'runs')
    in_thread(lambda: engines[0].close(), 'closes')
    assert gpu.depths == {'opens': 0, 'runs': 0, 'closes': 0}
    assert gpu.memory == {}


def test_primary_context_is_never_destroyed(gpu: FakeGpu, tiny_card: ModelCard) -> None:
    """Not even when Python ends and clears every module: pycuda would detach it wrongly."""
    assert gpu
    open_engine(tiny_card).close()
    context = weakref.ref(ours('tensorrt_cuda')._retained[0])
    ours('tensorrt_cuda')._retained.clear()
    gc.collect()
    assert context() is not None


def test_primary_context_is_retained_once(gpu: FakeGpu, tiny_card: ModelCard) -> None:
    for _ in range(2):
        open_engine(tiny_card).close()
    assert gpu.retained == 1


@pytest.mark.parametrize('call', ['upload', 'download', 'synchronize'])
def test_fault_on_the_gpu_is_one_line_and_leaves_no_context(
    gpu: FakeGpu, tiny_card: ModelCard, call: str
) -> None:
    engine = open_engine(tiny_card)
    gpu.fails.add(call)
    with pytest.raises(EngineError) as caught:
        engine.run(**inputs())
    assert str(caught.value) == (f'CUDA: {call} failed: an illegal memory access was encountered.')
    assert gpu.stack == []
    engine.close()  # also while the fault lasts
    assert gpu.memory == {}


def test_engine_that_does_not_start_says_what_tensorrt_logged(
    gpu: FakeGpu, tiny_card: ModelCard
) -> None:
    engine = open_engine(tiny_card)
    gpu.fails.add('execute_async_v3')
    with pytest.raises(EngineError) as caught:
        engine.run(**inputs())
    assert str(caught.value) == 'TensorRT 10.3.0 cannot run the engine: out of cheese.'
    assert gpu.events[-2:] == ['synchronize', 'pop']  # the uploads have ended


@pytest.mark.parametrize(
    ('call', 'told'),
    [
        ('create_execution_context', 'cannot make the engine ready: out of cheese. Is GPU mem'),
        ('set_tensor_address', 'cannot use the buffer of rgb: out of cheese.'),
        ('Runtime', 'cannot start: out of cheese. Is there a GPU, and does its driver work?'),
        ('deserialize_cuda_engine', 'cannot load the engine: out of cheese.'),
        ('mem_alloc', 'CUDA: cuMemAlloc failed: out of memory.'),
        ('pagelocked', 'CUDA: pagelocked failed: an illegal memory access was encountered.'),
        ('init', 'CUDA: cuInit failed: no CUDA-capable device is detected.'),
    ],
)
def test_engine_that_cannot_be_opened_leaves_nothing_behind(
    gpu: FakeGpu, tiny_card: ModelCard, call: str, told: str
) -> None:
    gpu.fails.add(call)
    with pytest.raises(EngineError) as caught:
        open_engine(tiny_card)
    assert told in str(caught.value)
    assert (gpu.memory, gpu.live_host, gpu.stack) == ({}, 0, [])
    assert isinstance(caught.value, StaleEngineError) == (call == 'deserialize_cuda_engine')
    has_loaded = call not in ('Runtime', 'deserialize_cuda_engine', 'init')
    assert _frees_the_engine_in_its_context(gpu) == has_loaded


def _frees_the_engine_in_its_context(gpu: FakeGpu) -> bool:
    return [e for e in gpu.events if e in ('free engine', 'pop')] == ['free engine', 'pop']


def test_engine_with_other_outputs_is_refused(gpu: FakeGpu, tiny_card: ModelCard) -> None:
    gpu.tensors['labels'] = ((1, *SHAPE), 'int32', 2)
    with pytest.raises(
        ModelError, match=r'tiny: expected an engine with .* got .* labels .*int32'
    ):
        open_engine(tiny_card)
    assert gpu.memory == {}
    assert _frees_the_engine_in_its_context(gpu)


def test_arrays_of_another_shape_are_refused(gpu: FakeGpu, tiny_card: ModelCard) -> None:
    engine = open_engine(tiny_card)
    gpu.events.clear()
    with pytest.raises(FrameError, match=r'depth: expected \(1, 64, 96\) float32'):
        engine.run(**inputs() | {'depth': np.zeros((1, 32, 96), np.float32)})
    assert gpu.events == []


def test_machine_is_described_for_the_key(gpu: FakeGpu) -> None:
    machine = ours('tensorrt_engine').TensorRtToolkit().machine()
    assert (machine.tensorrt, machine.gpu, machine.compute_capability) == ('10.3.0', 'Orin', '8.7')
    assert (machine.multiprocessors, machine.memory_gib, machine.driver) == (16, 62, 12060)
    assert machine.is_integrated is True
    assert gpu.stack == []


@pytest.mark.parametrize(
    ('version', 'fits'), [('10.2.9', False), ('10.3.0', True), ('11.4', True)]
)
def test_tensorrt_before_10_3_is_refused(gpu: FakeGpu, version: str, fits: bool) -> None:
    gpu.trt.__version__ = version
    if fits:
        assert ours('tensorrt_api').version() == version
        return
    with pytest.raises(EngineError) as caught:
        ours('tensorrt_api').version()
    assert str(caught.value) == (
        'TensorRT: expected 10.3 or newer, got 10.2.9. '
        'On a Jetson it comes with JetPack 6.1 or newer.'
    )


def test_tensorrt_of_jetpack_6_0_is_refused_by_its_version(gpu: FakeGpu) -> None:
    """It lacks a class that ours is made from."""
    from m3l_core.runtime.tensorrt_building import load_toolkit

    gpu.trt.__version__ = '8.6.2'
    del gpu.trt.IProgressMonitor
    with pytest.raises(EngineError, match=r'^TensorRT: expected 10\.3 or newer, got 8\.6\.2\. '):
        load_toolkit('m3l build')


def test_library_that_cannot_be_loaded_is_named(
    gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    from m3l_core.runtime.tensorrt_building import load_toolkit

    def broken(name: str) -> Any:
        raise OSError(f'libnvinfer.so.10: cannot open shared object file, for {name}')

    monkeypatch.setattr(gpu.trt, '__getattr__', broken, raising=False)
    del gpu.trt.__version__
    with pytest.raises(EngineError, match=r'^m3l build cannot load its libraries: libnvinfer'):
        load_toolkit('m3l build')


def test_build_gives_plan_times_and_remarks(gpu: FakeGpu) -> None:
    gpu.says = [(2, 'a remark\nover two lines')]
    gpu.fails.add('set_timing_cache')
    plan = build(gpu, BuildSettings(workspace_mib=512, optimization_level=5), b'times')
    assert (plan.data, plan.timing_cache) == (b'plan', b'+')
    assert gpu.config.offered == [b'times', b'']  # those of another machine are given up
    assert gpu.config.limit == 512 * 2**20
    assert gpu.config.builder_optimization_level == 5
    assert gpu.config.max_aux_streams == 0
    assert gpu.events[0] == 'push'
    assert gpu.events[-1] == 'pop'


def test_known_times_are_used(gpu: FakeGpu) -> None:
    assert build(gpu, None, b'times').timing_cache == b'times+'


def test_build_without_times_at_the_end_is_a_build_all_the_same(gpu: FakeGpu) -> None:
    gpu.fails.add('serialize')
    assert build(gpu).timing_cache == b''


@pytest.mark.parametrize(('precision', 'cleared'), [('float16', []), ('float32', ['TF32'])])
def test_strict_float32_has_no_tf32(gpu: FakeGpu, precision: Any, cleared: list[str]) -> None:
    build(gpu, BuildSettings(precision=precision))
    assert gpu.config.cleared == cleared


@pytest.mark.parametrize(
    ('call', 'told'),
    [
        ('Builder', 'cannot start: out of cheese. Is there a GPU, and does its driver work?'),
        ('OnnxParser', 'cannot start: out of cheese. Is there a GPU, and does its driver work?'),
        ('create_network', 'cannot make a network: out of cheese.'),
        ('create_builder_config', 'cannot make a configuration: out of cheese.'),
        ('set_memory_pool_limit', 'cannot use 1024 MiB of workspace: out of cheese.'),
        (
            'parse',
            'cannot read the graph: Magic node_7: No importer registered for op: Magic. '
            'Export the model again with this version.',
        ),
        (
            'build_serialized_network',
            'cannot build the engine: out of cheese. If memory was short, close other programs '
            'or give a smaller --workspace-mib.',
        ),
    ],
)
def test_each_quiet_failure_of_a_build_is_told(gpu: FakeGpu, call: str, told: str) -> None:
    gpu.fails.add(call)
    with pytest.raises(EngineError) as caught:
        build(gpu)
    assert str(caught.value) == f'TensorRT 10.3.0 {told}'
    assert gpu.stack == []


def test_failure_without_a_reason_says_that(gpu: FakeGpu) -> None:
    gpu.says = [(3, 'chatter')]
    gpu.fails.add('create_network')
    with pytest.raises(EngineError, match='cannot make a network: it gives no reason'):
        build(gpu)


def test_only_the_last_different_errors_are_told_and_shortened(gpu: FakeGpu) -> None:
    gpu.says = [(1, 'first'), *[(0, 'again')] * 5, (2, 'a remark'), (1, 'x' * 1000), (1, 'last.')]
    gpu.fails.add('create_network')
    with pytest.raises(EngineError) as caught:
        build(gpu)
    assert str(caught.value).endswith(f'network: again; {"x" * 300}; last.')


def test_warnings_are_the_reason_where_there_is_no_error(gpu: FakeGpu) -> None:
    gpu.says = [(2, 'low on memory')]
    gpu.fails.add('create_network')
    with pytest.raises(EngineError, match='cannot make a network: low on memory'):
        build(gpu)


class Watcher(Lines):
    """Cancels, or fails to draw."""

    def __init__(self, *, cancels: bool = False, fails: bool = False) -> None:
        super().__init__(lambda _: None)
        self._cancels, self._fails = cancels, fails

    def step_complete(self, phase: str, step: int) -> None:
        if self._fails:
            raise ValueError('cannot draw')
        assert phase == 'Building'
        self.is_canceled = self._cancels and step == 0


def test_canceled_build_says_so(gpu: FakeGpu) -> None:
    assert gpu
    with pytest.raises(EngineError, match=r'TensorRT: the build was canceled\.'):
        ours('tensorrt_engine').TensorRtToolkit().build(
            b'graph', BuildSettings(), b'', Watcher(cancels=True)
        )


def test_bar_that_cannot_be_drawn_ends_no_build(gpu: FakeGpu) -> None:
    assert gpu
    toolkit = ours('tensorrt_engine').TensorRtToolkit()
    plan = toolkit.build(b'graph', BuildSettings(), b'', Watcher(fails=True))
    assert plan.data == b'plan'


@pytest.mark.tensorrt
@pytest.mark.skipif(
    find_spec('tensorrt') is None or find_spec('pycuda') is None,
    reason='TensorRT and pycuda are not both installed: the engine has not run here',
)
@pytest.mark.parametrize('precision', ['float16', 'float32'])
def test_real_engine_gives_the_labels_it_should(
    tiny_files: Path, tiny_parity: bytes, tmp_path: Path, precision: Any
) -> None:
    from m3l_core.runtime import open_engine as open_any
    from m3l_core.runtime import Segmenter
    from m3l_core.runtime.parity import check_parity_file

    model = tmp_path / 'tiny.onnx'
    model.write_bytes(tiny_files.read_bytes())
    model.with_suffix('.parity.npz').write_bytes(tiny_parity)
    said: list[str] = []
    for _ in range(2):
        engine = open_any(
            model, 'tensorrt', precision=precision, cache_dir=tmp_path, say=said.append
        )
        agreements = check_parity_file(engine, model.with_suffix('.parity.npz'))
        assert min(agreement.total for agreement in agreements.values()) > 0.99
        assert Segmenter(engine).engine is engine
        engine.close()
    assert sum('building a TensorRT engine' in line for line in said) == 1
