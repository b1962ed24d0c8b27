"""Frames of any size, one of two images, and the letterbox between camera and engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from m3l_core.frames import RgbdFrame
from m3l_core.preprocess import Letterbox
from m3l_core.runtime import Segmenter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from m3l_core.model_card import ModelCard


class Echo:
    """An engine whose labels are the red channel and whose confidence is depth in meters."""

    backend, precision = 'echo', 'float32'

    def __init__(self, card: ModelCard) -> None:
        self.card = card
        self.present: list[float] = []

    def run(
        self,
        rgb: NDArray[np.uint8],
        depth: NDArray[np.float32],
        present: NDArray[np.float32],
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        self.rgb, self.present = rgb, present[0].tolist()
        return rgb[..., 0].copy(), depth.astype(np.uint8)

    def close(self) -> None:
        pass


@pytest.fixture
def engine(tiny_card: ModelCard) -> Echo:
    return Echo(tiny_card)


def ramp(height: int, width: int) -> NDArray[np.uint8]:
    """Return an image whose red channel rises from left to right."""
    row = np.linspace(0, 200, width).astype(np.uint8)
    return np.repeat(np.tile(row, (height, 1))[..., None], 3, axis=2)


@pytest.mark.parametrize('size', [(64, 96), (480, 640), (720, 1280), (33, 47), (96, 64), (1, 1)])
def test_labels_have_the_size_of_the_frame(engine: Echo, size: tuple[int, int]) -> None:
    frame = RgbdFrame(ramp(*size), np.full(size, 3, np.float32))
    result = Segmenter(engine).segment(frame)
    assert result.labels.shape == result.confidence.shape == size
    assert result.labels.flags['C_CONTIGUOUS']
    assert np.abs(result.labels.astype(int) - frame.rgb[..., 0]).max() <= 200 / 90 + 2
    assert (result.confidence == 3).all()


def test_depth_of_another_size_lies_over_color(engine: Echo) -> None:
    depth = np.zeros((240, 320), np.float32)
    depth[:, 160:] = 7
    result = Segmenter(engine).segment(RgbdFrame(ramp(480, 640), depth))
    # Within a pixel of the network, 7.5 of the frame: versions of OpenCV round differently.
    assert (result.confidence[:, :312] == 0).all()
    assert (result.confidence[:, 328:] == 7).all()


def test_missing_image_is_told_to_the_engine(engine: Echo) -> None:
    segmenter = Segmenter(engine)
    rgb, depth = ramp(64, 96), np.ones((64, 96), np.float32)
    segmenter.segment(RgbdFrame(rgb, depth))
    assert engine.present == [1, 1]
    segmenter.segment(RgbdFrame(rgb, None))
    assert engine.present == [1, 0]
    segmenter.segment(RgbdFrame(None, depth))
    assert engine.present == [0, 1]
    assert not engine.rgb.any()


def test_padding_has_the_mean_color(engine: Echo) -> None:
    Segmenter(engine).segment(RgbdFrame(ramp(96, 96), None))
    assert (engine.rgb[0, :, :16] == (124, 116, 104)).all()
    assert (engine.rgb[0, :, -16:] == (124, 116, 104)).all()


def test_letterbox_keeps_the_aspect_and_tells_its_padding() -> None:
    box = Letterbox.fit((720, 1280), (480, 640))
    assert (box.top, box.left, box.height, box.width) == (60, 0, 360, 640)
    assert box.padded_share == 0.25
    assert Letterbox.fit((240, 320), (480, 640)).padded_share == 0


def test_frame_of_the_engine_size_is_not_copied() -> None:
    box = Letterbox.fit((64, 96), (64, 96))
    rgb, depth = ramp(64, 96), np.ones((64, 96), np.float32)
    assert np.shares_memory(box.place_rgb(rgb, (0, 0, 0)), rgb)
    assert np.shares_memory(box.place_depth(depth), depth)


def test_depth_is_never_averaged() -> None:
    depth = np.random.default_rng(0).choice(np.array([0, 1, 5], np.float32), (480, 640))
    placed = Letterbox.fit((480, 640), (100, 96)).place_depth(depth)
    assert set(np.unique(placed)) == {0, 1, 5}
