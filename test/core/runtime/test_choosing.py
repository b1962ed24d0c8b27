"""What `auto` takes on which machine, and what it says about it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from m3l_core.errors import ConfigError, EngineError, ModelError
from m3l_core.runtime import choosing, open_engine
from m3l_core.runtime.cache_folder import cache_folder

if TYPE_CHECKING:
    from m3l_core.runtime.engine import Engine


class Named:
    """An engine that is a name."""

    def __init__(self, backend: str) -> None:
        self.backend = backend
        self.precision = 'float16'


class Machine:
    """What is installed, and what fails to open.

    Attributes:
        modules: Those that are installed.
        problems: Why a back end cannot open the model.
        warnings: What `auto` said.
        asked: Which back ends were to open the model, and whether they might build.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.modules = {'torch', 'openvino', 'tensorrt'}
        self.problems: dict[str, Exception] = {}
        self.warnings: list[str] = []
        self.asked: list[tuple[str, bool]] = []
        self.has_gpu = True
        self.has_cuda = True
        monkeypatch.setattr(choosing, 'has_gpu', lambda: self.has_gpu)
        monkeypatch.setattr(
            choosing, 'find_spec', lambda name: name if name in self.modules else None
        )

        def expect_cuda() -> None:
            if not self.has_cuda:
                raise EngineError('torch sees no usable GPU.')

        monkeypatch.setattr(choosing, '_expect_cuda', expect_cuda)

    def open_with(self, backend: str, *, may_build: bool = True) -> Engine:
        self.asked.append((backend, may_build))
        if backend in self.problems:
            raise self.problems[backend]
        return Named(backend)  # type: ignore[return-value]

    def best(self, name: str = 'model.onnx') -> str:
        return choosing.open_best(Path(name), self.open_with, self.warnings.append).backend


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


NO_ENGINE = EngineError('x.engine: no such engine. Run: m3l build model.onnx')


def test_checked_tensorrt_engine_comes_first_and_is_never_built(machine: Machine) -> None:
    assert machine.best() == 'tensorrt'
    assert machine.asked == [('tensorrt', False)]
    assert machine.warnings == []


def test_torch_on_the_gpu_comes_next_and_the_reason_is_told(machine: Machine) -> None:
    machine.problems['tensorrt'] = NO_ENGINE
    assert machine.best() == 'torch'
    assert machine.warnings == [
        'auto takes torch float16: x.engine: no such engine. Run: m3l build model.onnx'
    ]


def test_torch_without_cuda_leaves_it_to_openvino(machine: Machine) -> None:
    machine.problems['tensorrt'] = NO_ENGINE
    machine.has_cuda = False
    assert machine.best() == 'openvino'
    assert machine.warnings == [
        'auto takes openvino float16: x.engine: no such engine. Run: m3l build model.onnx '
        'torch sees no usable GPU.'
    ]


def test_model_whose_checkpoint_is_not_there_runs_in_openvino(machine: Machine) -> None:
    machine.problems = {'tensorrt': NO_ENGINE, 'torch': ModelError('no model.safetensors.')}
    assert machine.best() == 'openvino'
    assert machine.warnings[0].endswith('no model.safetensors.')


def test_without_a_gpu_openvino_is_best_and_nothing_is_told(machine: Machine) -> None:
    machine.has_gpu = False
    assert machine.best() == 'openvino'
    assert machine.asked == [('openvino', True)]
    assert machine.warnings == []


def test_without_openvino_torch_runs_on_the_cpu_and_tells(machine: Machine) -> None:
    machine.has_gpu = False
    machine.modules.remove('openvino')
    assert machine.best() == 'torch'
    assert machine.warnings == [
        'auto takes torch float16: OpenVINO is not installed: '
        'pip install "m3l_perception[openvino]" brings it.'
    ]


@pytest.mark.parametrize('has_gpu', [True, False])
def test_checkpoint_is_for_torch_alone(machine: Machine, has_gpu: bool) -> None:
    machine.has_gpu = has_gpu
    assert machine.best('model.safetensors') == 'torch'
    assert machine.warnings == []


def test_what_the_last_engine_says_is_raised(machine: Machine) -> None:
    machine.has_gpu = False
    machine.problems['openvino'] = ModelError('model.onnx: is damaged.')
    with pytest.raises(ModelError, match='is damaged'):
        machine.best()


def test_where_nothing_runs_every_reason_is_told(machine: Machine) -> None:
    machine.modules = {'tensorrt'}
    machine.has_cuda = False
    machine.problems = {'tensorrt': NO_ENGINE, 'torch': EngineError('It needs torch.')}
    with pytest.raises(EngineError) as caught:
        machine.best()
    assert str(caught.value) == (
        f'{NO_ENGINE} torch sees no usable GPU. OpenVINO is not installed: '
        'pip install "m3l_perception[openvino]" brings it. It needs torch.'
    )


def test_precision_that_a_back_end_lacks_is_named(tiny_files: Path) -> None:
    with pytest.raises(EngineError) as caught:
        open_engine(tiny_files, 'tensorrt', precision='bf16')
    assert str(caught.value) == (
        "precision with backend tensorrt: expected one of auto, float32, float16, got 'bf16'."
    )


@pytest.mark.parametrize(
    ('variables', 'folder'),
    [
        ({'M3L_CACHE': '/data/m3l', 'XDG_CACHE_HOME': '/x'}, '/data/m3l'),
        ({'M3L_CACHE': '~/engines', 'HOME': '/home/robot'}, '/home/robot/engines'),
        ({'XDG_CACHE_HOME': '/x'}, '/x/m3l'),
        ({'XDG_CACHE_HOME': 'relative', 'HOME': '/home/robot'}, '/home/robot/.cache/m3l'),
        ({'HOME': '/home/robot'}, '/home/robot/.cache/m3l'),
    ],
)
def test_engines_are_kept_where_the_user_says(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], folder: str
) -> None:
    for name in ('M3L_CACHE', 'XDG_CACHE_HOME'):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == Path(folder)


def test_a_home_that_is_not_known_is_told_with_what_to_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv('M3L_CACHE', '~no-such-user/engines')
    with pytest.raises(
        ConfigError, match=r'^cache: expected a user with a home .* Set \$M3L_CACHE'
    ):
        cache_folder()
