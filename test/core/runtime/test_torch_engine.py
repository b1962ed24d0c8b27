"""The torch engine: half precision, and the memory and launches that a GPU needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from m3l_core.errors import EngineError
from m3l_core.network.deploy import Deployment
from m3l_core.runtime import open_engine, Segmenter
from m3l_core.runtime.parity import MODES, without_missing
from m3l_core.runtime.torch_engine import captured, example_inputs, OnCpu, OnFixedMemory

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import nn, Tensor

    from m3l_core.frames import RgbdFrame
    from m3l_core.model_card import ModelCard
    from m3l_core.network import LinearFusion
    from m3l_core.runtime.torch_engine import Launch

CPU = torch.device('cpu')

needs_gpu = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device'),
]


def ignore(text: str) -> None:
    """Take a warning that the test does not ask about."""


def called_each_time(module: nn.Module, inputs: Sequence[Tensor]) -> Launch:
    """Stand for a capture, where there is no GPU: the same module on the same memory."""
    return lambda: module(*inputs)


def images(frame: RgbdFrame) -> list[Tensor]:
    assert frame.rgb is not None
    assert frame.depth_m is not None
    return [
        torch.from_numpy(frame.rgb)[None],
        torch.from_numpy(frame.depth_m)[None],
        torch.ones(1, 2),
    ]


@pytest.mark.parametrize(('precision', 'least'), [('float16', 0.98), ('bf16', 0.9)])
def test_half_precision_gives_nearly_the_labels_of_float32(
    tiny_files: Path, frame: RgbdFrame, precision: str, least: float
) -> None:
    labels = [
        Segmenter(open_engine(tiny_files, 'torch', precision=p)).segment(frame).labels
        for p in ('float32', precision)
    ]
    assert least < np.mean(labels[0] == labels[1]) < 1


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_ends_at_the_logits(
    tiny_model: LinearFusion, tiny_card: ModelCard, frame: RgbdFrame, dtype: torch.dtype
) -> None:
    half = Deployment(tiny_model, tiny_card).in_half_precision(dtype)
    kinds = {name: value.dtype for name, value in half.state_dict(keep_vars=True).items()}
    assert set(kinds.values()) == {dtype}
    assert half.scales.both.dtype == half.inputs.rgb_scale.dtype == torch.float32
    assert half.logits(*images(frame)).dtype == torch.float32


def test_precision_on_a_cpu_is_float32_unless_told_otherwise(tiny_files: Path) -> None:
    engine = open_engine(tiny_files, 'torch')
    if not torch.cuda.is_available():
        assert engine.precision == 'float32'


def test_fixed_memory_gives_what_a_plain_call_gives(
    tiny_model: LinearFusion, tiny_card: ModelCard, rooms: list[RgbdFrame]
) -> None:
    module = Deployment(tiny_model, tiny_card)
    fixed = OnFixedMemory(module, example_inputs(tiny_card), CPU, called_each_time, ignore)
    for room in rooms[:3]:
        for expected, got in zip(OnCpu(module)(images(room)), fixed(images(room)), strict=True):
            np.testing.assert_array_equal(got, expected)


def test_results_in_fixed_memory_outlive_the_next_run(
    tiny_model: LinearFusion, tiny_card: ModelCard, rooms: list[RgbdFrame]
) -> None:
    module = Deployment(tiny_model, tiny_card)
    fixed = OnFixedMemory(module, example_inputs(tiny_card), CPU, called_each_time, ignore)
    labels, _ = fixed(images(rooms[0]))
    kept = labels.copy()
    assert (fixed(images(rooms[1]))[0] != kept).any()
    np.testing.assert_array_equal(labels, kept)


def test_module_is_launched_on_the_same_memory_every_time(
    tiny_model: LinearFusion, tiny_card: ModelCard, rooms: list[RgbdFrame]
) -> None:
    seen = []

    def recording(module: nn.Module, inputs: Sequence[Tensor]) -> Launch:
        def launch() -> Sequence[Tensor]:
            seen.append([tensor.data_ptr() for tensor in inputs])
            outputs: Sequence[Tensor] = module(*inputs)
            return outputs

        return launch

    module = Deployment(tiny_model, tiny_card)
    fixed = OnFixedMemory(module, example_inputs(tiny_card), CPU, recording, ignore)
    for room in rooms[:2]:
        given = images(room)
        fixed(given)
        assert not set(seen[-1]) & {tensor.data_ptr() for tensor in given}
    assert seen[0] == seen[1] == seen[2]


def test_failed_capture_is_told_and_labels_come_all_the_same(
    tiny_model: LinearFusion, tiny_card: ModelCard, frame: RgbdFrame
) -> None:
    def failing(*_: object) -> Launch:
        raise RuntimeError('operation not permitted when stream is capturing\nDevice-side hints')

    warnings: list[str] = []
    module = Deployment(tiny_model, tiny_card)
    fixed = OnFixedMemory(module, example_inputs(tiny_card), CPU, failing, warnings.append)
    assert warnings == [
        'no CUDA graph, so the GPU waits for the CPU: operation not permitted when stream is '
        'capturing.'
    ]
    np.testing.assert_array_equal(fixed(images(frame))[0], OnCpu(module)(images(frame))[0])


def test_memory_that_is_short_is_one_line(
    tiny_files: Path, frame: RgbdFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_memory(*_: object) -> None:
        raise torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2 GiB\nSee docs')

    for way in (OnCpu, OnFixedMemory):
        monkeypatch.setattr(way, '__call__', out_of_memory)
    with pytest.raises(EngineError) as caught:
        Segmenter(open_engine(tiny_files, 'torch')).segment(frame)
    expected = 'engine: torch failed to run: CUDA out of memory. Tried to allocate 2 GiB.'
    assert str(caught.value) == expected


class TestOnGpu:
    pytestmark = needs_gpu

    @pytest.mark.parametrize('mode', MODES)
    def test_float32_gives_the_labels_of_the_cpu(
        self, tiny_model: LinearFusion, tiny_card: ModelCard, frame: RgbdFrame, mode: str
    ) -> None:
        given = images(frame)
        given[2] = torch.tensor([MODES[mode]], dtype=torch.float32)
        expected = OnCpu(Deployment(tiny_model, tiny_card))(given)[0]
        module = Deployment(tiny_model, tiny_card)
        fixed = OnFixedMemory(
            module, example_inputs(tiny_card), torch.device('cuda'), captured, pytest.fail
        )
        assert np.mean(fixed(given)[0] == expected) > 0.999

    def test_auto_is_float16_and_nearly_gives_the_labels_of_float32(
        self, tiny_files: Path, frame: RgbdFrame
    ) -> None:
        engine = open_engine(tiny_files, 'torch', warn=pytest.fail)
        assert engine.precision == 'float16'
        exact = open_engine(tiny_files, 'torch', precision='float32', warn=pytest.fail)
        for mode in MODES:
            view = without_missing(frame, mode)
            same = Segmenter(engine).segment(view).labels == Segmenter(exact).segment(view).labels
            assert np.mean(same) > 0.98

    def test_replay_sees_every_new_frame(self, tiny_files: Path, rooms: list[RgbdFrame]) -> None:
        segmenter = Segmenter(open_engine(tiny_files, 'torch', warn=pytest.fail))
        first = [segmenter.segment(room).labels for room in rooms[:4]]
        again = [segmenter.segment(room).labels for room in rooms[:4]]
        assert len({labels.tobytes() for labels in first}) == 4
        for one, other in zip(first, again, strict=True):
            np.testing.assert_array_equal(one, other)
