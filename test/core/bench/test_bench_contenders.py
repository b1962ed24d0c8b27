"""Which engines are measured is decided by what is installed and by the CPU."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from m3l_core.bench import contenders as module
from m3l_core.bench.contenders import Contender, contenders
from m3l_core.bench.machine import Processor
from m3l_core.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set what is installed and what the machine has."""

    def having(*modules: str, flags: tuple[str, ...] = (), gpu: bool = False) -> None:
        installed = {*modules, *(('safetensors',) if 'torch' in modules else ())}
        monkeypatch.setattr(
            module, 'find_spec', lambda name: find_spec('sys') if name in installed else None
        )
        monkeypatch.setattr(module, 'processor', lambda: Processor('a CPU', 2, flags))
        monkeypatch.setattr(module, 'has_gpu', lambda: gpu)

    return having


def test_cpu_without_bf16_is_measured_in_float32(machine: Callable[..., None]) -> None:
    machine('openvino', 'torch', flags=('avx2',))
    found, _ = contenders('.onnx', [], [])
    assert found == [Contender('openvino', 'float32'), Contender('torch', 'float32')]


def test_cpu_with_bf16_is_measured_in_both(machine: Callable[..., None]) -> None:
    machine('openvino', flags=('avx512_bf16',))
    found, _ = contenders('.onnx', [], [])
    assert [str(one) for one in found] == ['openvino float32', 'openvino bf16']


def test_gpu_is_measured_in_float16(machine: Callable[..., None]) -> None:
    machine('tensorrt', 'pycuda', 'torch', gpu=True)
    found, _ = contenders('.onnx', [], [])
    assert {str(one) for one in found} == {
        'tensorrt float32',
        'tensorrt float16',
        'torch float32',
        'torch float16',
    }


def test_what_is_not_installed_names_its_extra(machine: Callable[..., None]) -> None:
    machine('openvino', 'tensorrt')
    _, left_out = contenders('.onnx', [], [])
    assert left_out == {
        'tensorrt': 'pycuda not installed: pip install "m3l_perception[tensorrt]"',
        'torch': 'torch, safetensors not installed: pip install "m3l_perception[train]"',
    }


def test_checkpoint_is_run_by_torch_alone(machine: Callable[..., None]) -> None:
    machine('openvino', 'torch')
    found, left_out = contenders('.safetensors', [], [])
    assert {one.backend for one in found} == {'torch'}
    assert left_out['openvino'] == 'runs exported networks only, not .safetensors files'


def test_precision_that_one_back_end_lacks_leaves_it_out(machine: Callable[..., None]) -> None:
    machine('openvino', 'torch')
    found, left_out = contenders('.onnx', [], ['float16'])
    assert [str(one) for one in found] == ['torch float16']
    assert left_out['openvino'] == 'has no float16'


def test_nothing_to_measure_is_an_error_with_the_reasons(machine: Callable[..., None]) -> None:
    machine()
    with pytest.raises(EngineError) as caught:
        contenders('.onnx', ['openvino'], [])
    assert str(caught.value) == (
        'bench: there is no engine to measure. openvino: openvino not installed: '
        'pip install "m3l_perception[openvino]".'
    )
