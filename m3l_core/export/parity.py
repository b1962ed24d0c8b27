"""The gate every exported network passes: an engine's labels against the plain network's."""

from __future__ import annotations

import io
from typing import Any, NamedTuple, TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from m3l_core.frames import meters, RgbdFrame
from m3l_core.network.fusion import StreamScales
from m3l_core.network.inputs import InputEncoder
from m3l_core.preprocess import Letterbox
from m3l_core.runtime.parity import Agreement, CONFIDENCE_STEP, MODES, SURE_MARGIN, without_missing
from m3l_core.runtime.segmenter import Segmenter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from m3l_core.export.frames import LabeledFrame
    from m3l_core.model_card import ModelCard
    from m3l_core.network import LinearFusion
    from m3l_core.runtime.engine import Engine

LEAST_FRAMES = 32

RECORDED_FRAMES = 4


class Expected(NamedTuple):
    """What float32 says of one frame, each `(H, W)` at the frame's size."""

    labels: NDArray[np.uint8]
    confidence: NDArray[np.uint8]
    sure: NDArray[np.bool_]


class Reference:
    """The network as it was trained, unfolded, in float32 on the CPU."""

    def __init__(self, model: LinearFusion, card: ModelCard) -> None:
        self.model, self.card = model.eval().float(), card
        self._inputs = InputEncoder(card)
        self._scales = StreamScales(model.alpha, card.calibration)

    def expected(self, frame: RgbdFrame) -> Expected:
        """Return what the network says of `frame`, fitted into the card's image size."""
        box = Letterbox.fit(frame.size, self.card.image_size)
        rgb = np.zeros((*self.card.image_size, 3), np.uint8)
        depth = np.zeros(self.card.image_size, np.float32)
        if frame.rgb is not None:
            rgb = box.place_rgb(frame.rgb, [255 * mean for mean in self.card.rgb_mean])
        if frame.depth_m is not None:
            depth = box.place_depth(frame.depth_m)
        present = torch.tensor([[frame.rgb is not None, frame.depth_m is not None]])
        probability = self._probabilities(rgb, depth, present)
        two, classes = probability.topk(2, dim=0)
        confidence = (two[0] * 255 + 0.5).clamp(0, 255)
        labels = classes[0].to(torch.uint8).numpy()
        sure = (two[0] - two[1] >= SURE_MARGIN).to(torch.uint8).numpy()
        return Expected(
            box.crop(labels),
            box.crop(confidence.to(torch.uint8).numpy()),
            box.crop(sure).astype(bool),
        )

    @torch.inference_mode()
    def _probabilities(
        self, rgb: NDArray[np.uint8], depth: NDArray[np.float32], present: torch.Tensor
    ) -> torch.Tensor:
        """Return `(K, H, W)`."""
        color, encoded = self._inputs(torch.from_numpy(rgb)[None], torch.from_numpy(depth)[None])
        streams = self.model.stream_logits(color, encoded, present)
        logits = self.model.ensemble(streams, self._scales(present))
        logits = F.interpolate(logits, self.card.image_size, mode='bilinear', align_corners=True)
        return logits[0].softmax(0)


def expectations(
    reference: Reference, frames: Sequence[LabeledFrame], say: Callable[[str], None]
) -> list[dict[str, Expected]]:
    """Return what the reference says of each frame in each mode."""
    results = []
    for number, labeled in enumerate(frames, 1):
        say(f'labels of the checkpoint: frame {number} of {len(frames)}')
        results.append({mode: reference.expected(view) for mode, view in _modes(labeled.frame)})
    return results


def compare(
    engine: Engine, frames: Sequence[LabeledFrame], expected: Sequence[dict[str, Expected]]
) -> dict[str, Agreement]:
    """Return an engine's agreement with the reference in each mode."""
    agreements = {mode: Agreement(len(engine.card.classes)) for mode in MODES}
    segmenter = Segmenter(engine)
    for labeled, of_frame in zip(frames, expected, strict=True):
        for mode, view in _modes(labeled.frame):
            labels = segmenter.segment(view).labels
            truth = labeled.truth
            if truth is not None and truth.shape != labels.shape:
                truth = None
            agreements[mode].add(labels, of_frame[mode].labels, of_frame[mode].sure, truth)
    return agreements


def parity_file(reference: Reference, frames: Sequence[RgbdFrame]) -> bytes:
    """Return the bytes of `NAME.parity.npz`: frames and what float32 says of them.

    Labels are whole, as they decide; whether float32 is sure is one bit per pixel.
    """
    arrays: dict[str, list[NDArray[np.generic]]] = {'rgb': [], 'depth_mm': []}
    for frame in frames:
        assert frame.rgb is not None  # noqa: S101 - recorded frames have both images
        assert frame.depth_m is not None  # noqa: S101
        depth_mm = np.round(1000 * np.nan_to_num(frame.depth_m)).clip(0, 65535).astype(np.uint16)
        stored = RgbdFrame(frame.rgb, meters(depth_mm))
        arrays['rgb'].append(frame.rgb)
        arrays['depth_mm'].append(depth_mm)
        for mode, view in _modes(stored):
            expected = reference.expected(view)
            step = CONFIDENCE_STEP
            arrays.setdefault(f'{mode}.labels', []).append(expected.labels)
            arrays.setdefault(f'{mode}.sure', []).append(np.packbits(expected.sure))
            arrays.setdefault(f'{mode}.confidence', []).append(expected.confidence[::step, ::step])
    file = io.BytesIO()
    stacked: dict[str, Any] = {name: np.stack(values) for name, values in arrays.items()}
    np.savez_compressed(file, **stacked)
    return file.getvalue()


def _modes(frame: RgbdFrame) -> Iterator[tuple[str, RgbdFrame]]:
    for mode in MODES:
        yield mode, without_missing(frame, mode)
