"""The network as training has it: equal to the deployed one, and open to changes inside."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
import pytest

torch = pytest.importorskip('torch')

from m3l_core import checkpoint  # noqa: E402
from m3l_core.data.samples import Sample  # noqa: E402
from m3l_core.errors import EngineError  # noqa: E402
from m3l_core.evaluate.conventions import Convention, CONVENTIONS  # noqa: E402
from m3l_core.evaluate.plain import mean_inputs, PlainEngine  # noqa: E402
from m3l_core.frames import RgbdFrame  # noqa: E402
from m3l_core.model_card import Calibration, ModeCalibration, ModelCard  # noqa: E402
from m3l_core.network import LinearFusion  # noqa: E402
from m3l_core.network.inputs import InputEncoder  # noqa: E402
from m3l_core.runtime import open_engine  # noqa: E402
from m3l_core.weights_file import read_weights_card, with_card  # noqa: E402

Inputs = tuple[NDArray[np.uint8], NDArray[np.float32]]

PRESENT = [(1, 1), (1, 0), (0, 1)]


@pytest.fixture
def inputs(frame: RgbdFrame) -> Inputs:
    assert frame.rgb is not None
    assert frame.depth_m is not None
    return frame.rgb[None], frame.depth_m[None]


def told(*present: float) -> NDArray[np.float32]:
    return np.array([present], np.float32)


def upsampled(logits: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.interpolate(logits, (64, 96), mode='bilinear', align_corners=True)


@pytest.mark.parametrize('present', PRESENT)
@pytest.mark.parametrize('calibrated', [False, True])
def test_it_gives_what_the_deployed_network_gives(
    tiny_files: Path, tmp_path: Path, inputs: Inputs, present: tuple[int, int], calibrated: bool
) -> None:
    weights = tiny_files.with_suffix('.safetensors')
    if calibrated:
        shares = {'both': 0.3, 'depth_missing': 0.9, 'rgb_missing': 0.1}
        modes = {m: ModeCalibration(rgb_share=s, temperature=1 + s) for m, s in shares.items()}
        card = read_weights_card(weights).recalibrated(Calibration(**modes))
        (tmp_path / 'calibrated.safetensors').write_bytes(with_card(weights.read_bytes(), card))
        weights = tmp_path / 'calibrated.safetensors'
    deployed, sure = open_engine(weights, 'torch').run(*inputs, told(*present))
    plain, as_sure = PlainEngine(*checkpoint.load(weights)).run(*inputs, told(*present))
    assert (deployed == plain).mean() > 0.999
    assert np.abs(sure.astype(int) - as_sure).mean() < 0.1


def test_zeros_take_the_place_of_the_normalized_image(
    tiny_model: LinearFusion, tiny_card: ModelCard, inputs: Inputs
) -> None:
    zero = PlainEngine(tiny_model, tiny_card, convention=Convention('zero'))
    labels, _ = zero.run(*inputs, told(1, 0))
    rgb, depth = InputEncoder(tiny_card)(*(torch.from_numpy(image) for image in inputs))
    with torch.inference_mode():
        logits = tiny_model(rgb, torch.zeros_like(depth)).ensemble
    np.testing.assert_array_equal(labels, logits.argmax(1).numpy())
    token, _ = PlainEngine(tiny_model, tiny_card).run(*inputs, told(1, 0))
    assert (labels != token).any()


def test_the_mean_image_takes_the_place_of_the_missing_one(
    tiny_model: LinearFusion, tiny_card: ModelCard, inputs: Inputs
) -> None:
    means = (torch.randn(1, 3, 64, 96), torch.randn(1, 3, 64, 96))
    mean = PlainEngine(tiny_model, tiny_card, convention=Convention('mean'), means=means)
    labels, _ = mean.run(*inputs, told(0, 1))
    _, depth = InputEncoder(tiny_card)(*(torch.from_numpy(image) for image in inputs))
    with torch.inference_mode():
        logits = tiny_model(means[0], depth).ensemble
    np.testing.assert_array_equal(labels, logits.argmax(1).numpy())
    with pytest.raises(ValueError, match='expected the mean training images'):
        PlainEngine(tiny_model, tiny_card, convention=Convention('mean'))


@pytest.mark.parametrize(('stream', 'present'), [(0, (1, 0)), (1, (0, 1))])
def test_the_stream_whose_image_is_there_can_be_taken(
    tiny_model: LinearFusion,
    tiny_card: ModelCard,
    inputs: Inputs,
    stream: int,
    present: tuple[int, int],
) -> None:
    convention = Convention(prediction='present')
    labels, _ = PlainEngine(tiny_model, tiny_card, convention=convention).run(
        *inputs, told(*present)
    )
    rgb, depth = InputEncoder(tiny_card)(*(torch.from_numpy(image) for image in inputs))
    with torch.inference_mode():
        streams = tiny_model.stream_logits(rgb, depth, torch.tensor([present]) > 0)
    np.testing.assert_array_equal(labels, upsampled(streams[stream]).argmax(1).numpy())


def test_nothing_missing_is_the_same_by_every_convention(
    tiny_model: LinearFusion, tiny_card: ModelCard, inputs: Inputs
) -> None:
    means = (torch.randn(1, 3, 64, 96), torch.randn(1, 3, 64, 96))
    for convention in CONVENTIONS:
        engine = PlainEngine(tiny_model, tiny_card, convention=convention, means=means)
        labels, _ = engine.run(*inputs, told(1, 1))
        expected, _ = PlainEngine(tiny_model, tiny_card).run(*inputs, told(1, 1))
        np.testing.assert_array_equal(labels, expected)


@pytest.mark.parametrize('convention', CONVENTIONS, ids=str)
def test_a_single_stream_does_not_miss_the_other_image(
    tiny_model: LinearFusion, tiny_card: ModelCard, inputs: Inputs, convention: Convention
) -> None:
    architecture = replace(tiny_model.architecture, fusion='depth')
    model = LinearFusion(architecture)
    model.load_state_dict(tiny_model.weights_for(architecture))
    card = replace(tiny_card, architecture=architecture)
    means = (torch.randn(1, 3, 64, 96), torch.randn(1, 3, 64, 96))
    engine = PlainEngine(model, card, convention=convention, means=means)
    both, depth_alone, rgb_alone = (
        engine.run(*inputs, told(*present))[0] for present in ((1, 1), (0, 1), (1, 0))
    )
    np.testing.assert_array_equal(both, depth_alone)
    assert (both != rgb_alone).any()


def test_the_same_image_always_suffers_the_same(
    tiny_model: LinearFusion, tiny_card: ModelCard, inputs: Inputs
) -> None:
    seen = []

    def remember(image: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        seen.append(torch.rand(2, generator=generator).tolist())
        return image

    engine = PlainEngine(tiny_model, tiny_card, corruption=remember)
    rgb, depth = inputs
    for image in (rgb, rgb, 255 - rgb):
        engine.run(image, depth, told(1, 1))
    assert seen[0:2] == seen[2:4]
    assert seen[0] != seen[1]
    assert seen[0] != seen[4]


def test_half_precision_is_near_and_others_are_refused(
    tiny_model: LinearFusion, tiny_card: ModelCard, inputs: Inputs
) -> None:
    labels, _ = PlainEngine(tiny_model, tiny_card).run(*inputs, told(1, 1))
    half = PlainEngine(tiny_model, tiny_card, precision='bf16')
    assert (half.run(*inputs, told(1, 1))[0] == labels).mean() > 0.95
    assert half.precision == 'bf16'
    with pytest.raises(EngineError, match="computes in float32 or bf16, got 'fp16'"):
        PlainEngine(tiny_model, tiny_card, precision='fp16')


def test_mean_inputs_are_the_mean_of_what_the_network_gets(tiny_card: ModelCard) -> None:
    samples = [
        Sample(
            name,
            np.full((64, 96, 3), gray, np.uint8),
            np.full((64, 96), millimeters, np.uint16),
            np.zeros((64, 96), np.uint8),
        )
        for name, gray, millimeters in (('dark', 50, 1000), ('light', 150, 4000))
    ]
    rgb, depth = mean_inputs(samples, tiny_card)
    encoder = InputEncoder(tiny_card)
    one, other = (
        encoder(torch.from_numpy(s.rgb[None]), torch.from_numpy(s.depth_m[None])) for s in samples
    )
    torch.testing.assert_close(rgb, (one[0] + other[0]) / 2)
    torch.testing.assert_close(depth, (one[1] + other[1]) / 2)
