"""Camera images to network input, on numbers a reader can check."""

from __future__ import annotations

import pytest

torch = pytest.importorskip('torch')

from m3l_core.classes import NYU13  # noqa: E402
from m3l_core.model_card import DepthEncoding, ModelCard  # noqa: E402
from m3l_core.network import Architecture  # noqa: E402
from m3l_core.network.inputs import encode_depth, InputEncoder  # noqa: E402


def card(**values: object) -> ModelCard:
    return ModelCard(
        name='test', architecture=Architecture.mit('b0', num_classes=13), classes=NYU13, **values
    )


def test_metric3_tells_a_hole_from_any_distance() -> None:
    depth = torch.tensor([[[[0.0, 0.5, 2.0, 50.0]]]])
    encoded = encode_depth(depth, DepthEncoding(kind='metric3', near_m=0.5, far_m=10.0))
    unit = (encoded[0, :, 0] + 2) / 4
    torch.testing.assert_close(unit[0], torch.tensor([0, 1, 0.25, 0.05]))  # near / z
    torch.testing.assert_close(unit[1], torch.tensor([0, 0.05, 0.2, 1]))  # z / far
    torch.testing.assert_close(unit[2], torch.tensor([0.0, 1, 1, 1]))  # valid


def test_minmax_of_a_constant_image_is_finite() -> None:
    encoded = encode_depth(torch.full((1, 1, 2, 2), 3.0), DepthEncoding(kind='minmax'))
    assert encoded.isfinite().all()


@pytest.mark.parametrize('nothing', [float('nan'), float('inf'), -float('inf'), -1.0, 0.0])
def test_every_way_to_say_no_reading_is_the_same(nothing: float) -> None:
    encoder = InputEncoder(card(image_size=(1, 2), network_size=(1, 2)))
    rgb = torch.zeros(1, 1, 2, 3, dtype=torch.uint8)
    _, expected = encoder(rgb, torch.tensor([[[0.0, 1.0]]]))
    _, depth = encoder(rgb, torch.tensor([[[nothing, 1.0]]]))
    assert torch.equal(depth, expected)


def test_color_is_normalized_by_the_card() -> None:
    encoder = InputEncoder(
        card(
            image_size=(1, 1), network_size=(1, 1),
            rgb_mean=(0.0, 0.5, 1.0), rgb_std=(1.0, 0.5, 0.25),
        )
    )  # fmt: skip
    rgb, _ = encoder(torch.full((1, 1, 1, 3), 255, dtype=torch.uint8), torch.zeros(1, 1, 1))
    torch.testing.assert_close(rgb.flatten(), torch.tensor([1.0, 1.0, 0.0]))


def test_halving_averages_color_and_picks_depth() -> None:
    encoder = InputEncoder(
        card(
            image_size=(2, 2), network_size=(1, 1),
            rgb_mean=(0.0, 0.0, 0.0), rgb_std=(1.0, 1.0, 1.0),
            depth=DepthEncoding(kind='metric3', near_m=1.0, far_m=10.0),
        )
    )  # fmt: skip
    rgb = torch.tensor([[[[0, 0, 0], [102, 0, 0]], [[102, 0, 0], [204, 0, 0]]]]).to(torch.uint8)
    color, depth = encoder(rgb, torch.tensor([[[2.0, 9.0], [9.0, 9.0]]]))
    assert color[0, 0].item() == pytest.approx(102 / 255)
    assert depth[0, 1].item() == pytest.approx(0.2 * 4 - 2)
