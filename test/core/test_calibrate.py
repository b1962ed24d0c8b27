"""What is fitted, on numbers a reader can check and on a network that is known to be wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from m3l_core.calibrate import _Mode, best_temperature, calibrated, fit, SHARES  # noqa: E402
from m3l_core.classes import IGNORE  # noqa: E402
from m3l_core.data.samples import Sample  # noqa: E402
from m3l_core.errors import DataError  # noqa: E402
from m3l_core.model_card import Calibration, ModeCalibration  # noqa: E402
from m3l_core.runtime.segmenter import Segmenter  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

    from m3l_core.calibrate import Fitted
    from m3l_core.frames import RgbdFrame
    from m3l_core.model_card import ModelCard
    from m3l_core.network import LinearFusion

COLOR_ONLY = ModeCalibration(rgb_share=1.0, temperature=1.0)


def samples(model: LinearFusion, card: ModelCard, rooms: list[RgbdFrame]) -> list[Sample]:
    """Return images whose labels are what the color stream alone says, but for a void stripe."""
    from m3l_core.export.parity import Reference

    only_color = Calibration(both=COLOR_ONLY, depth_missing=COLOR_ONLY, rgb_missing=COLOR_ONLY)
    reference = Reference(model, replace(card, calibration=only_color))
    made = []
    for index, frame in enumerate(rooms):
        assert frame.rgb is not None
        assert frame.depth_m is not None
        labels = reference.expected(frame).labels
        labels[:, :10] = IGNORE
        depth_mm = np.round(1000 * frame.depth_m).astype(np.uint16)
        made.append(Sample(str(index), frame.rgb, depth_mm, labels))
    return made


@pytest.fixture(scope='module')
def fitted(
    tiny_model: LinearFusion, tiny_card: ModelCard, rooms: list[RgbdFrame]
) -> dict[str, Fitted]:
    return fit(tiny_model, tiny_card, samples(tiny_model, tiny_card, rooms[:6]))


def test_temperature_of_a_network_that_is_twice_too_sure_is_two() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(4, 40_000, generator=generator)
    truth = torch.multinomial(logits.T.softmax(1), 1, generator=generator)[:, 0]
    assert best_temperature(2 * logits, truth.numpy().astype(np.uint8)) == pytest.approx(
        2, rel=0.03
    )


def test_the_stream_that_is_right_gets_all_the_weight(fitted: dict[str, Fitted]) -> None:
    assert fitted['both'].after.rgb_share == 1
    assert fitted['both'].mean_iou[1] > 99
    assert fitted['both'].mean_iou[0] < 99


def test_no_mode_gets_worse(fitted: dict[str, Fitted]) -> None:
    for mode in fitted.values():
        assert mode.after.rgb_share in (mode.before.rgb_share, *SHARES)
        assert mode.mean_iou[1] >= mode.mean_iou[0]


def test_a_weight_between_those_of_the_grid_stays_where_it_is_best() -> None:
    mode = _Mode(ModeCalibration(rgb_share=0.48, temperature=1.0))
    # Of two pixels one needs more than 0.47 for color, the other less than 0.49.
    color = torch.tensor([[53.0, 0.0], [0.0, 51.0]])
    depth = torch.tensor([[0.0, 49.0], [47.0, 0.0]])
    mode.add(torch.stack([color, depth]), np.array([0, 0], np.uint8), np.random.default_rng(0))
    assert mode.fitted().after.rgb_share == 0.48
    assert mode.fitted().mean_iou == (100, 100)


def test_images_without_a_class_are_refused(
    tiny_model: LinearFusion, tiny_card: ModelCard, rooms: list[RgbdFrame]
) -> None:
    void = [
        replace(s, labels=np.full_like(s.labels, IGNORE))
        for s in samples(tiny_model, tiny_card, rooms[:2])
    ]
    with pytest.raises(DataError, match='expected pixels with a class, got none'):
        fit(tiny_model, tiny_card, void)


def test_scores_of_old_labels_go_and_the_count_of_looks_at_test_stays(
    fitted: dict[str, Fitted], tiny_card: ModelCard
) -> None:
    old = {'val': {'both': 1.0}, 'test': {'NYUv2': {'both': 1.0}}, 'test_scored': {'NYUv2': 1}}
    metrics = calibrated(replace(tiny_card, metrics=old), fitted).metrics
    assert metrics.keys() == {'val', 'test_scored'}
    assert metrics['test_scored'] == {'NYUv2': 1}
    assert metrics['val']['both'] == fitted['both'].mean_iou[1]


def test_scores_are_those_of_the_deployed_network(
    fitted: dict[str, Fitted],
    tiny_model: LinearFusion,
    tiny_card: ModelCard,
    rooms: list[RgbdFrame],
    tmp_path: Path,
) -> None:
    from m3l_core import checkpoint
    from m3l_core.evaluate.scoring import AS_RECORDED, evaluate
    from m3l_core.runtime import open_engine

    card = calibrated(tiny_card, fitted)
    checkpoint.save(tmp_path / 'a.safetensors', tiny_model, card)
    engine = open_engine(tmp_path / 'a.safetensors', 'torch')
    of_engine = evaluate(
        Segmenter(engine), samples(tiny_model, tiny_card, rooms[:6]), tiny_card.classes
    )[AS_RECORDED]
    for name, score in of_engine.mean_iou.items():
        assert score == pytest.approx(fitted[name].mean_iou[1], abs=0.1)
        assert card.metrics['val'][name] == fitted[name].mean_iou[1]


def test_fitting_again_starts_from_what_the_card_says(
    fitted: dict[str, Fitted],
    tiny_model: LinearFusion,
    tiny_card: ModelCard,
    rooms: list[RgbdFrame],
) -> None:
    card = calibrated(tiny_card, fitted)
    again = fit(tiny_model, card, samples(tiny_model, tiny_card, rooms[:6]))
    for name, mode in again.items():
        assert mode.before == fitted[name].after
        assert mode.after == mode.before
