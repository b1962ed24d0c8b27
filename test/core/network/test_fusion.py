"""The networks that Linear Fusion is compared with: one stream alone, and exchanged tokens."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

torch = pytest.importorskip('torch')

from m3l_core.architecture import Architecture, Fusion  # noqa: E402
from m3l_core.errors import ConfigError, ModelError  # noqa: E402
from m3l_core.network import LinearFusion  # noqa: E402
from m3l_core.network.deploy import Deployment  # noqa: E402
from m3l_core.network.fusion import SPARSITY, TokenExchange, WORTH_KEEPING  # noqa: E402

if TYPE_CHECKING:
    from torch import Tensor

    from m3l_core.model_card import ModelCard

SINGLE: tuple[Fusion, ...] = ('rgb', 'depth')
ALL: tuple[Fusion, ...] = ('linear', *SINGLE, 'tokens')


def with_fusion(model: LinearFusion, fusion: Fusion, own_share: float = 0.8) -> LinearFusion:
    """Return the network of another fusion with the same weights; scores of tokens are drawn."""
    torch.manual_seed(0)
    architecture = replace(model.architecture, fusion=fusion, fusion_ratio=own_share)
    other = LinearFusion(architecture).eval()
    absent = other.load_state_dict(model.weights_for(architecture), strict=False)
    assert not absent.unexpected_keys
    assert all('.exchange.' in name for name in absent.missing_keys)
    return other


@pytest.fixture
def pair() -> tuple[Tensor, Tensor]:
    rgb, depth = torch.randn(2, 3, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    return rgb, depth


@pytest.mark.parametrize('fusion', ALL)
def test_every_fusion_gives_one_prediction_per_stream_and_learns(
    tiny_model: LinearFusion, pair: tuple[Tensor, Tensor], fusion: Fusion
) -> None:
    model = with_fusion(tiny_model, fusion).train()
    present = torch.tensor([[True, True], [True, False], [False, True]])
    streams = model.stream_logits(*pair, present)
    ensemble = model.ensemble(streams)
    assert streams.shape == (1 if fusion in SINGLE else 2, 3, 13, 16, 24)
    assert ensemble.shape == (3, 13, 16, 24)
    (streams.square().mean() + ensemble.square().mean()).backward()
    unused = {n for n, p in model.named_parameters() if p.grad is None}
    assert unused == {f'encoder.stages.{stage}.embed.mask_token' for stage in (1, 2, 3)}


@pytest.mark.parametrize(('stream', 'fusion'), [(0, 'rgb'), (1, 'depth')])
def test_a_single_stream_is_what_streams_are_that_do_not_mix(
    tiny_model: LinearFusion, pair: tuple[Tensor, Tensor], stream: int, fusion: Fusion
) -> None:
    apart = with_fusion(tiny_model, 'linear', own_share=1.0)
    with torch.inference_mode():
        alone = with_fusion(tiny_model, fusion)(*pair)
        expected = apart.stream_logits(*pair)[stream]
        logits = with_fusion(tiny_model, fusion).stream_logits(*pair)[0]
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-4)
    assert torch.equal(alone.rgb, alone.depth)
    torch.testing.assert_close(alone.ensemble, alone.rgb)


@pytest.mark.parametrize('fusion', SINGLE)
def test_weights_of_a_single_stream_fit_that_stream_alone(
    tiny_model: LinearFusion, fusion: Fusion
) -> None:
    single = with_fusion(tiny_model, fusion)
    again = with_fusion(single, fusion).state_dict()
    assert all(torch.equal(again[name], value) for name, value in single.state_dict().items())
    for other in set(ALL) - {fusion}:
        with pytest.raises(ModelError, match=f"have a stream for {fusion} alone, .*'{other}'"):
            single.weights_for(replace(single.architecture, fusion=other))


@pytest.mark.parametrize(('stream', 'fusion'), [(0, 'rgb'), (1, 'depth')])
def test_a_single_stream_does_not_miss_the_other_image(
    tiny_model: LinearFusion, pair: tuple[Tensor, Tensor], stream: int, fusion: Fusion
) -> None:
    model = with_fusion(tiny_model, fusion)
    has_own = torch.tensor([[stream == 0, stream == 1]]).expand(3, -1)
    noise = torch.randn(2, 3, 3, 64, 96)
    other_changed = (pair[0], noise[0]) if stream == 0 else (noise[0], pair[1])
    with torch.inference_mode():
        logits = model(*pair).ensemble
        assert torch.equal(model(*pair, has_own).ensemble, logits)
        assert torch.equal(model(*other_changed).ensemble, logits)
        blind = model(*pair, ~has_own).ensemble
        assert torch.equal(blind, model(*noise, ~has_own).ensemble)
    assert not torch.allclose(blind, logits)


def test_a_single_stream_has_the_size_of_the_published_segformer() -> None:
    with torch.device('meta'):
        model = LinearFusion(Architecture.mit('b0', num_classes=150, fusion='rgb'))
    ours = {'alpha', *(f'encoder.stages.{stage}.embed.mask_token' for stage in range(4))}
    sizes = {name: p.numel() for name, p in model.named_parameters() if name not in ours}
    assert sum(sizes.values()) == 3_752_694  # segformer-b0, 512x512, ADE20K


def exchange_of(score: Tensor) -> TokenExchange:
    """Return an exchange of tokens `(S, N, 4)` that always scores them so."""

    class Scores(torch.nn.Module):
        def forward(self, _: Tensor) -> Tensor:
            return score

    exchange = TokenExchange(4)
    exchange.score = Scores()  # type: ignore[assignment]
    return exchange


def test_worthless_tokens_give_way_to_those_at_the_same_place() -> None:
    tokens = torch.arange(2 * 2 * 3 * 4, dtype=torch.float32).reshape(4, 3, 4) + 1
    score = torch.ones(4, 3, 1)
    below = WORTH_KEEPING - 1e-6
    score[0, 1] = below  # color of the first image
    score[3, 2] = below  # depth of the second image
    score[1, 0] = WORTH_KEEPING
    exchanged = exchange_of(score)(tokens)
    expected = tokens.clone()
    expected[0, 1] = tokens[2, 1]
    expected[3, 2] = tokens[1, 2]
    expected[1, 0] *= WORTH_KEEPING
    torch.testing.assert_close(exchanged, expected)


def test_scores_are_pulled_toward_zero() -> None:
    score = torch.full((2, 5, 1), 0.5, requires_grad=True)
    exchange_of(score)(torch.ones(2, 5, 4)).sum().backward()
    expected = torch.full((2, 5, 1), 4 + SPARSITY / 10)  # each scales 4 ones
    torch.testing.assert_close(score.grad, expected, rtol=0, atol=1e-6)


def test_a_trainer_may_share_the_pull_among_processes() -> None:
    score = torch.full((2, 5, 1), 0.5, requires_grad=True)
    exchange = exchange_of(score)
    assert exchange.sparsity == SPARSITY
    exchange.sparsity /= 4
    exchange(torch.ones(2, 5, 4)).sum().backward()
    expected = torch.full((2, 5, 1), 4 + SPARSITY / 40)
    torch.testing.assert_close(score.grad, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize('fusion', ['rgb', 'depth', 'tokens'])
def test_only_linear_fusion_is_deployed(
    tiny_model: LinearFusion, tiny_card: ModelCard, fusion: Fusion
) -> None:
    with pytest.raises(ModelError, match=f"tiny: has fusion '{fusion}'; only Linear Fusion is"):
        Deployment(with_fusion(tiny_model, fusion), tiny_card)


def test_an_architecture_without_the_field_is_linear() -> None:
    values = Architecture.mit('b0', num_classes=13).to_dict()
    del values['fusion']
    assert Architecture.from_dict(values).fusion == 'linear'
    with pytest.raises(ConfigError, match=r"fusion must be one of linear, rgb, .* got 'cross'"):
        Architecture.from_dict(values | {'fusion': 'cross'})
