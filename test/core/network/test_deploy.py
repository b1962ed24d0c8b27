"""Folding changes the work, not the result."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from m3l_core.model_card import Calibration, DepthEncoding, ModeCalibration
from m3l_core.network.deploy import Deployment
from m3l_core.network.fusion import StreamScales
from m3l_core.network.inputs import InputEncoder

if TYPE_CHECKING:
    from m3l_core.frames import RgbdFrame
    from m3l_core.model_card import ModelCard
    from m3l_core.network import LinearFusion

PRESENT = {'both': (1.0, 1.0), 'rgb only': (1.0, 0.0), 'depth only': (0.0, 1.0)}

CALIBRATION = Calibration(
    both=ModeCalibration(rgb_share=0.6, temperature=2.0),
    depth_missing=ModeCalibration(rgb_share=0.9, temperature=0.5),
    rgb_missing=ModeCalibration(rgb_share=0.2, temperature=1.5),
)
BY_MODE = {
    'both': CALIBRATION.both,
    'rgb only': CALIBRATION.depth_missing,
    'depth only': CALIBRATION.rgb_missing,
}


def inputs(frame: RgbdFrame, mode: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    assert frame.rgb is not None
    assert frame.depth_m is not None
    return (
        torch.from_numpy(frame.rgb)[None],
        torch.from_numpy(frame.depth_m)[None],
        torch.tensor([PRESENT[mode]]),
    )


@torch.inference_mode()
def plain_logits(model: LinearFusion, card: ModelCard, *images: torch.Tensor) -> torch.Tensor:
    rgb, depth, present = images
    color, encoded = InputEncoder(card)(rgb, depth)
    logits = model.ensemble(model.stream_logits(color, encoded, present > 0.5))
    return F.interpolate(logits, card.image_size, mode='bilinear', align_corners=True)


@pytest.mark.parametrize('mode', PRESENT)
@pytest.mark.parametrize('kind', ['metric3', 'inverse', 'minmax'])
def test_folded_network_gives_the_logits_of_the_plain_one(
    tiny_model: LinearFusion, tiny_card: ModelCard, frame: RgbdFrame, kind: str, mode: str
) -> None:
    card = replace(tiny_card, depth=DepthEncoding(kind=kind))
    images = inputs(frame, mode)
    expected = plain_logits(tiny_model, card, *images)
    folded = Deployment(tiny_model, card).logits(*images)
    assert expected.std() > 1
    torch.testing.assert_close(folded, expected, rtol=1e-5, atol=1e-5 * expected.abs().max())


def test_depth_of_equal_channels_is_convolved_as_one(
    tiny_model: LinearFusion, tiny_card: ModelCard
) -> None:
    card = replace(tiny_card, depth=DepthEncoding(kind='inverse'))
    embed = Deployment(tiny_model, card).encoder.embed_pair
    assert embed.depth.in_channels == 1
    assert embed.rgb.in_channels == 3


@pytest.mark.parametrize('network_size', [(32, 64), (67, 93)], ids=['smaller', 'floored by 32'])
def test_network_may_run_at_another_size_than_the_camera(
    tiny_model: LinearFusion,
    tiny_card: ModelCard,
    frame: RgbdFrame,
    network_size: tuple[int, int],
) -> None:
    card = replace(tiny_card, network_size=network_size)
    images = inputs(frame, 'both')
    expected = plain_logits(tiny_model, card, *images)
    folded = Deployment(tiny_model, card).logits(*images)
    assert folded.shape[-2:] == (64, 96)
    torch.testing.assert_close(folded, expected, rtol=1e-5, atol=1e-5 * expected.abs().max())


def test_ensemble_is_the_same_before_and_after_the_class_projection(
    tiny_model: LinearFusion,
) -> None:
    features = torch.randn(2, 32, 8, 8)
    shares = tiny_model.alpha.detach().softmax(0).reshape(2, 1, 1, 1)
    classify = tiny_model.decoder.classify
    before = classify((features * shares).sum(0, keepdim=True))
    after = (classify(features) * shares).sum(0, keepdim=True)
    torch.testing.assert_close(before, after, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('mode', PRESENT)
def test_each_mode_has_its_own_weights_and_temperature(
    tiny_model: LinearFusion, tiny_card: ModelCard, frame: RgbdFrame, mode: str
) -> None:
    rgb, depth, present = inputs(frame, mode)
    color, encoded = InputEncoder(tiny_card)(rgb, depth)
    with torch.inference_mode():
        streams = tiny_model.stream_logits(color, encoded, present > 0.5)
    fitted = BY_MODE[mode]
    mixed = fitted.rgb_share * streams[0] + (1 - fitted.rgb_share) * streams[1]
    expected = F.interpolate(
        mixed / fitted.temperature, tiny_card.image_size, mode='bilinear', align_corners=True
    )
    calibrated = Deployment(tiny_model, replace(tiny_card, calibration=CALIBRATION))
    folded = calibrated.logits(rgb, depth, present)
    torch.testing.assert_close(folded, expected, rtol=1e-5, atol=1e-5 * expected.abs().max())
    through_scales = tiny_model.ensemble(
        streams, StreamScales(tiny_model.alpha, CALIBRATION)(present)
    )
    torch.testing.assert_close(through_scales, mixed / fitted.temperature)


@pytest.mark.parametrize('mode', PRESENT)
def test_temperature_changes_confidence_and_no_label(
    tiny_model: LinearFusion, tiny_card: ModelCard, frame: RgbdFrame, mode: str
) -> None:
    cool = {name: replace(fitted, temperature=1.0) for name, fitted in vars(CALIBRATION).items()}
    images = inputs(frame, mode)
    labels, confidence = Deployment(tiny_model, replace(tiny_card, calibration=CALIBRATION))(
        *images
    )
    cool_labels, cool_confidence = Deployment(
        tiny_model, replace(tiny_card, calibration=Calibration(**cool))
    )(*images)
    assert (labels == cool_labels).float().mean() > 0.9999  # rounding may settle a tie anew
    surer = confidence.float().mean() > cool_confidence.float().mean()
    assert surer == (BY_MODE[mode].temperature < 1)


def test_without_any_image_the_network_still_answers(
    tiny_model: LinearFusion, tiny_card: ModelCard, frame: RgbdFrame
) -> None:
    rgb, depth, _ = inputs(frame, 'both')
    calibrated = Deployment(tiny_model, replace(tiny_card, calibration=CALIBRATION))
    labels, _ = calibrated(rgb, depth, torch.zeros(1, 2))
    assert labels.shape == (1, 64, 96)


def test_labels_and_confidence_are_those_of_the_logits(
    tiny_model: LinearFusion, tiny_card: ModelCard, frame: RgbdFrame
) -> None:
    deployment = Deployment(tiny_model, tiny_card)
    images = inputs(frame, 'both')
    labels, confidence = deployment(*images)
    probabilities = deployment.logits(*images).softmax(1).numpy()[0]
    assert labels.dtype == confidence.dtype == torch.uint8
    assert len(np.unique(labels)) > 2
    np.testing.assert_array_equal(labels[0], probabilities.argmax(0))
    np.testing.assert_allclose(confidence[0], 255 * probabilities.max(0), atol=0.51)


@pytest.mark.parametrize('hole', [float('nan'), float('inf'), -1.0])
def test_every_kind_of_hole_reads_as_no_depth(
    tiny_model: LinearFusion, tiny_card: ModelCard, frame: RgbdFrame, hole: float
) -> None:
    deployment = Deployment(tiny_model, tiny_card)
    rgb, depth, present = inputs(frame, 'both')
    zeros, holes = depth.clone(), depth.clone()
    zeros[:, 20:40, 30:60], holes[:, 20:40, 30:60] = 0.0, hole
    expected, labels = deployment(rgb, zeros, present), deployment(rgb, holes, present)
    assert torch.equal(labels[0], expected[0])
    assert torch.equal(labels[1], expected[1])


@pytest.mark.parametrize('mode', ['rgb only', 'depth only'])
def test_image_of_a_missing_modality_is_not_looked_at(
    tiny_model: LinearFusion, tiny_card: ModelCard, frame: RgbdFrame, mode: str
) -> None:
    deployment = Deployment(tiny_model, tiny_card)
    rgb, depth, present = inputs(frame, mode)
    expected = deployment(rgb, depth, present)[0]
    if mode == 'rgb only':
        depth = torch.full_like(depth, float('nan'))
    else:
        rgb = torch.zeros_like(rgb)
    assert torch.equal(deployment(rgb, depth, present)[0], expected)


def test_deploying_leaves_the_trained_network_as_it_was(
    tiny_model: LinearFusion, tiny_card: ModelCard
) -> None:
    before = {name: value.clone() for name, value in tiny_model.state_dict().items()}
    Deployment(tiny_model, tiny_card)
    assert all(torch.equal(value, before[name]) for name, value in tiny_model.state_dict().items())
    assert all(parameter.requires_grad for parameter in tiny_model.parameters())
