"""The network against the numbers that the published implementation computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from m3l_core.checkpoint import load_official  # noqa: E402
from m3l_core.network import Architecture, LinearFusion  # noqa: E402

GOLDEN = Path(__file__).parents[2] / 'golden'
PRESENT = {'both': (True, True), 'rgb_missing': (False, True), 'depth_missing': (True, False)}


@pytest.fixture(scope='module')
def tiny() -> LinearFusion:
    return load_official(GOLDEN / 'tiny_official.pth', weights='student')


@pytest.fixture(scope='module')
def golden() -> dict[str, np.ndarray]:
    return dict(np.load(GOLDEN / 'tiny_forward.npz'))


@pytest.mark.parametrize('condition', PRESENT)
@pytest.mark.parametrize('prediction', ['rgb', 'depth', 'ensemble'])
def test_logits_equal_the_published_ones(
    tiny: LinearFusion, golden: dict[str, np.ndarray], prediction: str, condition: str
) -> None:
    rgb, depth = torch.from_numpy(golden['rgb']), torch.from_numpy(golden['depth'])
    present = torch.tensor(PRESENT[condition]).expand(len(rgb), -1)
    with torch.inference_mode():
        logits = getattr(tiny(rgb, depth, present), prediction)
    np.testing.assert_allclose(
        logits.numpy(), golden[f'logits_{prediction}.{condition}'], rtol=0, atol=1e-6
    )


def test_no_presence_given_means_all_present(
    tiny: LinearFusion, golden: dict[str, np.ndarray]
) -> None:
    rgb, depth = torch.from_numpy(golden['rgb']), torch.from_numpy(golden['depth'])
    with torch.inference_mode():
        assert torch.equal(
            tiny(rgb, depth).ensemble,
            tiny(rgb, depth, torch.ones(len(rgb), 2, dtype=torch.bool)).ensemble,
        )


def test_each_image_of_a_batch_may_miss_another_modality(tiny: LinearFusion) -> None:
    rgb, depth = torch.randn(2, 2, 3, 64, 80)
    present = torch.tensor([[True, False], [False, True]])
    with torch.inference_mode():
        together = tiny(rgb, depth, present).ensemble
        alone = [
            tiny(rgb[i : i + 1], depth[i : i + 1], present[i : i + 1]).ensemble for i in (0, 1)
        ]
    torch.testing.assert_close(together, torch.cat(alone), rtol=0, atol=1e-5)


def test_a_missing_image_is_not_looked_at(tiny: LinearFusion) -> None:
    rgb, depth = torch.randn(2, 1, 3, 64, 80)
    present = torch.tensor([[True, False]])
    with torch.inference_mode():
        one = tiny(rgb, depth, present).ensemble
        other = tiny(rgb, torch.full_like(depth, 7), present).ensemble
    assert torch.equal(one, other)


@pytest.mark.parametrize('size', [(64, 80), (67, 93), (33, 32)])
def test_any_size_gives_logits_of_that_size(tiny: LinearFusion, size: tuple[int, int]) -> None:
    with torch.inference_mode():
        predictions = tiny(torch.randn(1, 3, *size), torch.randn(1, 3, *size))
    assert all(logits.shape == (1, 13, *size) for logits in predictions)


@pytest.mark.parametrize(('encoder', 'parameters'), [('b0', 3_725_167), ('b2', 24_752_463)])
def test_size_is_the_published_one(encoder: str, parameters: int) -> None:
    with torch.device('meta'):
        model = LinearFusion(Architecture.mit(encoder, num_classes=13))
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


def test_batch_norm_keeps_its_statistics_in_training(tiny: LinearFusion) -> None:
    before = tiny.decoder.norm.running_mean.clone()
    tiny.train()
    tiny(torch.randn(2, 3, 64, 80), torch.randn(2, 3, 64, 80))
    tiny.eval()
    assert torch.equal(tiny.decoder.norm.running_mean, before)


def test_dropout_and_drop_path_act_in_training_only() -> None:
    torch.manual_seed(0)
    architecture = Architecture.mit('b0', num_classes=3)
    model = LinearFusion(architecture, drop_path=0.5, dropout=0.5)
    rgb, depth = torch.randn(2, 1, 3, 64, 64)
    with torch.inference_mode():
        assert not torch.equal(model(rgb, depth).rgb, model(rgb, depth).rgb)
        model.eval()
        assert torch.equal(model(rgb, depth).rgb, model(rgb, depth).rgb)


def test_scales_of_equal_size_are_all_added(tiny: LinearFusion) -> None:
    dims = tiny.architecture.embed_dims
    generator = torch.Generator().manual_seed(0)
    pyramid = [torch.randn(1, channels, 2, 2, generator=generator) for channels in dims]
    logits = tiny.decoder(pyramid)
    for scale in range(len(dims)):
        without = [torch.zeros_like(x) if i == scale else x for i, x in enumerate(pyramid)]
        assert (tiny.decoder(without) != logits).any(), scale
