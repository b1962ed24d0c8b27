"""No engine that computes other labels gets through, and no noise proves one right."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
import shutil
from typing import TYPE_CHECKING

import cv2
import numpy as np
import onnx
import pytest

from m3l_core.bags.making import make_bag
from m3l_core.errors import DataError, EngineError, ModelError
from m3l_core.export import exporting, proof
from m3l_core.export.exporting import export
from m3l_core.export.frames import real_frames
from m3l_core.export.onnx import deployment_graph
from m3l_core.export.parity import parity_file, Reference
from m3l_core.model_card import Calibration, ModeCalibration
from m3l_core.runtime import open_engine, Segmenter
from m3l_core.runtime.onnx_card import read_onnx_card
from m3l_core.runtime.parity import (
    Agreement,
    check_parity_file,
    expect_agreement,
    MODES,
    without_missing,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from m3l_core.frames import RgbdFrame
    from m3l_core.model_card import ModelCard
    from m3l_core.network import LinearFusion
    from m3l_core.runtime import Engine

pytest.importorskip('openvino')


class Altered:
    """An engine that spoils the results of another."""

    def __init__(self, engine: Engine, *, labels: float = 0, confidence: int = 0) -> None:
        self.engine, self.card = engine, engine.card
        self.backend, self.precision = engine.backend, engine.precision
        self._share, self._shift = labels, confidence

    def run(
        self,
        rgb: NDArray[np.uint8],
        depth: NDArray[np.float32],
        present: NDArray[np.float32],
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        labels, confidence = self.engine.run(rgb, depth, present)
        labels, rows = labels.copy(), round(self._share * labels.shape[1])
        labels[:, :rows] = (labels[:, :rows] + 1) % 13
        return labels, (confidence.astype(int) + self._shift).clip(0, 255).astype(np.uint8)

    def close(self) -> None:
        self.engine.close()


@pytest.fixture
def recorded(
    tiny_model: LinearFusion, tiny_card: ModelCard, rooms: list[RgbdFrame], tmp_path: Path
) -> Path:
    """A parity file of two frames."""
    path = tmp_path / 'tiny.parity.npz'
    path.write_bytes(parity_file(Reference(tiny_model, tiny_card), rooms[:2]))
    return path


@pytest.fixture
def engine(tiny_files: Path) -> Engine:
    return open_engine(tiny_files, 'torch')


def agreement(*, same: float, sure: float = 1.0) -> Agreement:
    return Agreement(13, 100_000, round(100_000 * same), 50_000, round(50_000 * sure))


def test_parity_file_passes_the_engine_it_was_made_for(recorded: Path, engine: Engine) -> None:
    agreements = check_parity_file(engine, recorded)
    assert set(agreements) == set(MODES)
    assert all(agreement.total >= 0.999 for agreement in agreements.values())
    assert all(agreement.pixels == 2 * 64 * 96 for agreement in agreements.values())


def test_exported_graph_is_calibrated_like_the_plain_network(
    tiny_model: LinearFusion, tiny_card: ModelCard, frame: RgbdFrame, tmp_path: Path
) -> None:
    fitted = Calibration(
        both=ModeCalibration(rgb_share=0.6, temperature=2.0),
        depth_missing=ModeCalibration(rgb_share=0.95, temperature=0.5),
        rgb_missing=ModeCalibration(rgb_share=0.1, temperature=4.0),
    )
    card = replace(tiny_card, calibration=fitted)
    path = tmp_path / 'calibrated.onnx'
    path.write_bytes(deployment_graph(tiny_model, card, half=False).SerializeToString())
    assert read_onnx_card(path).calibration == fitted
    segmenter = Segmenter(open_engine(path, 'openvino', precision='float32'))
    for mode in MODES:
        view = without_missing(frame, mode)
        result = segmenter.segment(view)
        expected = Reference(tiny_model, card).expected(view)
        other = Reference(tiny_model, tiny_card).expected(view)
        assert (result.labels == expected.labels).mean() >= 0.999
        difference = np.abs(result.confidence.astype(int) - expected.confidence)
        assert difference.mean() < 0.1
        assert np.abs(result.confidence.astype(int) - other.confidence).mean() > 3


def test_parity_file_refuses_other_labels(recorded: Path, engine: Engine) -> None:
    with pytest.raises(EngineError, match=r'torch float32: computes other labels .* DEPTH_ONLY'):
        check_parity_file(Altered(engine, labels=0.05), recorded)


def test_parity_file_refuses_wrong_confidence(recorded: Path, engine: Engine) -> None:
    with pytest.raises(EngineError, match='confidence is wrong by'):
        check_parity_file(Altered(engine, confidence=-20), recorded)


@pytest.mark.parametrize('data', [b'', b'no archive', b'PK\x03\x04 cut off'])
def test_damaged_parity_file_is_named(tmp_path: Path, engine: Engine, data: bytes) -> None:
    path = tmp_path / 'bad.parity.npz'
    path.write_bytes(data)
    with pytest.raises(EngineError, match=r'bad\.parity\.npz: is missing, damaged') as refusal:
        check_parity_file(engine, path)
    assert 'unsafely' not in str(refusal.value)  # as NumPy recommends


def test_float32_must_agree_in_999_of_1000_pixels() -> None:
    assert agreement(same=0.999).problem('float32') == ''
    assert 'expected the same label in 99.9%' in agreement(same=0.99899).problem('float32')


def test_half_precision_is_judged_where_float32_is_sure() -> None:
    assert agreement(same=0.97, sure=0.995).problem('bf16') == ''
    assert '99.5% of the sure pixels' in agreement(same=0.97, sure=0.9949).problem('bf16')


def test_half_precision_may_lose_three_tenths_of_miou() -> None:
    truth = np.repeat(np.arange(10, dtype=np.uint8), 1000)
    labels = truth.copy()
    labels[:20] = 1  # class 0 loses 2 %, class 1 gains 20 wrong of 1020
    counted = Agreement(13)
    counted.add(labels, truth, np.zeros_like(truth, bool), truth)
    assert counted.miou_loss == pytest.approx(100 * (0.02 + 20 / 1020) / 10)
    assert 'expected to lose at most 0.3 mIoU, lost 0.40' in counted.problem('bf16')


def test_every_failing_mode_is_named(engine: Engine) -> None:
    with pytest.raises(EngineError) as caught:
        expect_agreement(engine, {'RGBD': agreement(same=1), 'RGB_ONLY': agreement(same=0.5)})
    assert 'RGB_ONLY: expected the same label in 99.9%, got 50.000%' in str(caught.value)
    assert 'RGBD:' not in str(caught.value)


def test_frames_of_a_folder_and_of_its_bag_are_the_same(
    frame_folder: Path, tmp_path: Path
) -> None:
    make_bag(frame_folder, tmp_path / 'bag')
    of_folder = real_frames(frame_folder, 8)
    of_bag = real_frames(tmp_path / 'bag', 8)
    for one, other in zip(of_folder, of_bag, strict=True):
        np.testing.assert_array_equal(one.frame.rgb, other.frame.rgb)
        np.testing.assert_allclose(one.frame.depth_m, other.frame.depth_m, atol=1e-6)
        np.testing.assert_array_equal(one.truth, other.truth)


def test_too_few_frames_are_refused(frame_folder: Path) -> None:
    with pytest.raises(DataError, match='expected at least 33 frames, got 32'):
        real_frames(frame_folder, 33)


@pytest.mark.parametrize('kind', ['noise', 'blank'])
def test_noise_and_blank_images_are_refused(frame_folder: Path, tmp_path: Path, kind: str) -> None:
    folder = shutil.copytree(frame_folder, tmp_path / 'frames')
    image = np.zeros((64, 96, 3), np.uint8)
    if kind == 'noise':
        image = np.random.default_rng(0).integers(0, 255, image.shape).astype(np.uint8)
    cv2.imwrite(str(folder / 'rgb' / '0003.png'), image)
    with pytest.raises(DataError, match='frame 3 is noise or blank'):
        real_frames(folder, 32)


@pytest.fixture
def weights(tiny_files: Path) -> Path:
    return tiny_files.with_suffix('.safetensors')


@pytest.fixture
def own_frames(frame_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let small pictures stand in for the sample bag, whose frames take longer."""
    monkeypatch.setattr(exporting, 'sample_bag', lambda: frame_folder)
    return frame_folder


def test_export_records_its_proof_in_the_card(
    weights: Path, own_frames: Path, tmp_path: Path
) -> None:
    said: list[str] = []
    out = tmp_path / 'out.onnx'
    card = export(weights, out, say=said.append)
    assert read_onnx_card(out) == card
    assert card.parity['frames'] == (
        f'32 frames of {own_frames.name}, 8 of them for fp16 rounding; '
        'all of it on a CPU, TensorRT was not run'
    )
    assert card.parity['openvino float32']['RGBD']['total'] >= 99.9
    assert 'miou_loss' in card.parity['openvino float32']['DEPTH_ONLY']
    assert len(card.weights_sha256) == 64
    assert 'labels of the checkpoint: frame 32 of 32' in said
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        'out.onnx',
        'out.parity.npz',
        'out.safetensors',
    ]
    check_parity_file(open_engine(out), tmp_path / 'out.parity.npz')


@pytest.fixture
def few_frames(own_frames: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(proof, 'LEAST_FRAMES', 2)
    return own_frames


def test_export_for_another_size(weights: Path, few_frames: Path, tmp_path: Path) -> None:
    assert few_frames
    card = export(weights, tmp_path / 'out.onnx', size=(96, 64), say=lambda _: None)
    assert card.image_size == card.network_size == (96, 64)


def test_export_that_computes_other_labels_leaves_no_file(
    weights: Path, few_frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert few_frames

    def spoiled(model: LinearFusion, card: ModelCard) -> onnx.ModelProto:
        other = deepcopy(model)
        other.decoder.classify.bias.data[0] += 100
        return deployment_graph(other, card)

    deployment_graph = exporting.deployment_graph
    monkeypatch.setattr(exporting, 'deployment_graph', spoiled)
    with pytest.raises(EngineError, match='openvino float32: computes other labels'):
        export(weights, tmp_path / 'out.onnx', say=lambda _: None)
    assert list(tmp_path.iterdir()) == []


def test_parity_file_of_the_sample_bag_is_small(
    tiny_model: LinearFusion, tiny_card: ModelCard
) -> None:
    sample_bag = pytest.importorskip('m3l_core.samples').sample_bag
    card = replace(tiny_card, image_size=(480, 640), network_size=(96, 128))
    frames = [labeled.frame for labeled in real_frames(sample_bag(), 4)]
    assert len(parity_file(Reference(tiny_model, card), frames)) <= 3_000_000


def test_export_of_a_file_that_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / 'a.safetensors').write_bytes(b'nothing')
    with pytest.raises(ModelError):
        export(tmp_path / 'a.safetensors', tmp_path / 'a.onnx', say=lambda _: None)
