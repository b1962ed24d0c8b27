"""What TensorRT is asked in order to build, and what it says when it fails, over stand-ins."""

from __future__ import annotations

from typing import Any

from fake_gpu import FakeGpu, ours
import pytest

from m3l_core.errors import EngineError
from m3l_core.runtime.tensorrt_building import load_toolkit
from m3l_core.runtime.tensorrt_key import BuildSettings
from m3l_core.runtime.tensorrt_progress import Lines


def build(gpu: FakeGpu, settings: BuildSettings | None = None, times: bytes = b'') -> Any:
    assert gpu
    toolkit = ours('tensorrt_engine').TensorRtToolkit()
    return toolkit.build(b'graph', settings or BuildSettings(), times, Lines(lambda _: None))


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
    gpu.trt.__version__ = '8.6.2'
    del gpu.trt.IProgressMonitor
    with pytest.raises(EngineError, match=r'^TensorRT: expected 10\.3 or newer, got 8\.6\.2\. '):
        load_toolkit('m3l build')


def test_library_that_cannot_be_loaded_is_named(
    gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch
) -> None:
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
