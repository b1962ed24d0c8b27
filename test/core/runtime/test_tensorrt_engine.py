"""Order of calls, contexts, threads and buffers of the TensorRT engine, over stand-in libraries.

What the stand-ins take, the real ones may still refuse; see `fake_gpu`. The last test runs the
real ones where they are.
"""

from __future__ import annotations

import gc
from importlib.util import find_spec
from threading import Thread
from typing import Any, TYPE_CHECKING
import weakref

from fake_gpu import FakeGpu, ours, SHAPE
import numpy as np
import pytest

from m3l_core.errors import EngineError, FrameError, ModelError
from m3l_core.runtime.tensorrt_toolkit import StaleEngineError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from m3l_core.model_card import ModelCard


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
