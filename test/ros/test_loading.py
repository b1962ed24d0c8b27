"""What the node tells while its network is opened or built."""

from __future__ import annotations

from typing import Any, TYPE_CHECKING

import pytest

from m3l_core.errors import EngineError
from m3l_core.runtime import Segmenter
from m3l_perception import loading
from m3l_perception.diagnostics import Report
from m3l_perception.inference import EngineState, Inference
from m3l_perception.loading import Loading
from m3l_perception.messages import OK, WARN
from m3l_perception.parameters import NodeConfig

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from m3l_core.model_card import ModelCard


class Engine:
    """An engine that cannot run, for nobody asks it to."""

    precision = 'float16'

    def __init__(self, backend: str, card: ModelCard) -> None:
        self.backend = backend
        self.card = card


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / 'model.onnx'
    path.touch()
    path.with_suffix('.parity.npz').touch()
    return path


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The back ends whose labels were compared."""
    backends: list[str] = []
    monkeypatch.setattr(
        loading, 'check_parity_file', lambda engine, _: backends.append(engine.backend)
    )
    return backends


@pytest.fixture
def opens(monkeypatch: pytest.MonkeyPatch, card: ModelCard) -> Callable[[str], None]:
    """Let a back end be what is opened, after a step and a warning."""

    def use(backend: str) -> None:
        def open_engine(_: Path, wanted: str, **options: Any) -> Engine:
            assert wanted == 'tensorrt'
            options['say']('model.onnx: building a TensorRT engine')
            options['warn']('auto takes less')
            return Engine(backend, card)

        monkeypatch.setattr(loading, 'open_engine', open_engine)

    return use


@pytest.fixture(scope='module')
def card() -> ModelCard:
    from m3l_core.models import default_model
    from m3l_core.runtime.onnx_card import read_onnx_card

    return read_onnx_card(default_model())


def test_steps_and_warnings_are_logged_and_kept(
    model: Path, checked: list[str], opens: Callable[[str], None]
) -> None:
    assert checked == []
    opens('tensorrt')
    infos: list[str] = []
    warnings: list[str] = []
    at_work = Loading(
        NodeConfig(model=str(model), backend='tensorrt'), infos.append, warnings.append
    )
    assert isinstance(at_work.load(), Segmenter)
    assert infos == [at_work.step] == ['model.onnx: building a TensorRT engine']
    assert warnings == [at_work.warning] == ['auto takes less']


@pytest.mark.parametrize(('backend', 'compared'), [('tensorrt', []), ('torch', ['torch'])])
def test_engine_that_was_checked_when_built_is_not_checked_at_each_start(
    model: Path,
    checked: list[str],
    opens: Callable[[str], None],
    backend: str,
    compared: list[str],
) -> None:
    opens(backend)
    Loading(NodeConfig(model=str(model), backend='tensorrt'), str, str).load()
    assert checked == compared


@pytest.mark.usefixtures('checked')
def test_user_without_a_home_is_warned_and_the_network_is_opened(
    model: Path, card: ModelCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept_in: list[object] = []

    def open_engine(*_: object, **options: Any) -> Engine:
        kept_in.append(options['cache_dir'])
        return Engine('openvino', card)

    monkeypatch.setattr(loading, 'open_engine', open_engine)
    monkeypatch.setenv('M3L_CACHE', '~no-such-user/m3l')
    warnings: list[str] = []
    Loading(NodeConfig(model=str(model)), str, warnings.append).load()
    assert kept_in == [None]
    assert len(warnings) == 1
    assert warnings[0].startswith('cache: expected a user with a home for ~no-such-user/m3l')


def test_diagnostics_tell_what_is_being_built_until_it_is() -> None:
    def load() -> Segmenter:
        raise EngineError('not called here')

    inference = Inference(load, None, None)  # type: ignore[arg-type]
    report = Report('m3l_segment')
    report.add_engine(inference, ('',), building='Timing kernels: 40%')
    inference.state = EngineState.READY
    report.add_engine(inference, ('auto takes less',), building='Timing kernels: 40%')
    assert [(status.level, status.message) for status in report.statuses] == [
        (WARN, 'BUILDING: Timing kernels: 40%'),
        (WARN, 'auto takes less'),
    ]
    report.add_engine(inference, ('',))
    assert report.statuses[-1].level == OK
