"""What the inference thread makes of an engine that fails; no ROS graph."""

from __future__ import annotations

import threading
from typing import Any, NoReturn, TYPE_CHECKING

import pytest

from m3l_core.errors import EngineError
from m3l_core.runtime import Segmenter
from m3l_core.stream import StreamConfig
from m3l_perception.inbox import Inbox
from m3l_perception.inference import EngineState, Inference

if TYPE_CHECKING:
    from m3l_core.model_card import ModelCard


class LostDevice:
    """An engine whose device is gone: it can be neither run nor freed."""

    backend, precision, streams = 'tensorrt', 'float16', 1

    def __init__(self, card: ModelCard) -> None:
        self.card = card

    def run(self, *_: object) -> NoReturn:
        raise EngineError('engine: the device is gone.')

    def close(self) -> NoReturn:
        raise EngineError('CUDA: the device is gone.')


class Listener:
    """Keeps the problem it is told of."""

    problem = ''

    def on_failed(self, problem: str, *, was_ready: bool) -> None:
        self.problem = problem


@pytest.fixture
def card() -> ModelCard:
    from m3l_core.models import default_model
    from m3l_core.runtime.onnx_card import read_onnx_card

    return read_onnx_card(default_model())


def test_engine_that_cannot_be_freed_either_is_told_in_one_line(
    card: ModelCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    unhandled: list[Any] = []
    monkeypatch.setattr(threading, 'excepthook', unhandled.append)
    inbox = Inbox(
        StreamConfig(), clock=lambda: 0, is_simulated=lambda: False, on_transition=lambda _: None
    )
    listener = Listener()
    inference = Inference(
        lambda: Segmenter(LostDevice(card)),
        inbox,
        listener,  # type: ignore[arg-type]
    )
    inference.start()
    assert inference.join(10)
    assert inference.state is EngineState.FAILED
    assert listener.problem == 'engine: the device is gone.'
    assert not unhandled
