"""What the inference thread makes of an engine that fails; and of one that works; no ROS graph."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any, NoReturn, TYPE_CHECKING

from node_harness import wait_until
import numpy as np
import pytest

from m3l_core.errors import EngineError
from m3l_core.frames import Modality
from m3l_core.runtime import Segmenter
from m3l_core.stream import StreamConfig
from m3l_perception.inbox import Inbox
from m3l_perception.inference import EngineState, Inference

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from m3l_core.model_card import ModelCard
    from m3l_core.stream import Taken
    from m3l_perception.inference import Labeled


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

    def on_failed(self, problem: str, **_: object) -> None:
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


class BlackToBlack:
    """An engine that labels everything 0."""

    backend, precision, streams = 'openvino', 'float32', 1

    def __init__(self, card: ModelCard) -> None:
        self.card = card

    def run(self, *_: object) -> tuple[Any, Any]:
        nothing = np.zeros((1, *self.card.image_size), np.uint8)
        return nothing, nothing

    def close(self) -> None:
        """Free nothing."""


class Audience(Listener):
    """Wants labels, or does not."""

    listens = True

    def on_ready(self, segmenter: Segmenter) -> None:
        """Is not interested."""

    def why_skip(self, _: Taken) -> str:
        return '' if self.listens else 'unheard'

    def on_labeled(self, labeled: Labeled) -> None:
        """Is not interested."""


def image(pixels: NDArray[Any], encoding: str) -> Any:
    header = SimpleNamespace(stamp=SimpleNamespace(sec=1, nanosec=0), frame_id='camera')
    height, width = pixels.shape[:2]
    return SimpleNamespace(
        header=header, height=height, width=width, encoding=encoding, is_bigendian=0,
        step=pixels.nbytes // height, data=pixels.tobytes(),
    )  # fmt: skip


def test_warning_is_of_the_images_that_come_though_nobody_wants_their_labels(
    card: ModelCard,
) -> None:
    inbox = Inbox(
        StreamConfig(), clock=time.monotonic_ns, is_simulated=lambda: False,
        on_transition=lambda _: None,
    )  # fmt: skip
    audience = Audience()
    inference = Inference(
        lambda: Segmenter(BlackToBlack(card)),
        inbox,
        audience,  # type: ignore[arg-type]
    )
    inbox.open()
    inference.start()
    random = np.random.default_rng(0)

    def show(brightest: int) -> None:
        now_ns = time.monotonic_ns()
        rgb = random.integers(0, brightest, (24, 32, 3), np.uint8)
        depth = random.integers(0, brightest, (24, 32), np.uint16)
        inbox.add(Modality.RGB, image(rgb, 'rgb8'), stamp_ns=now_ns)
        inbox.add(Modality.DEPTH, image(depth, '16UC1'), stamp_ns=now_ns)

    def both_are_sick() -> bool:
        show(brightest=1)
        return inference.warning.startswith('both_sick')

    def all_is_well() -> bool:
        show(brightest=250)
        return not inference.warning

    try:
        wait_until(both_are_sick, 'warning')
        audience.listens = False
        wait_until(all_is_well, 'end of the warning')
    finally:
        inbox.close()
        assert inference.join(10)
