"""What a run is, and how fast it learns when."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip('torch')

from small_run import CONFIG  # noqa: E402

from m3l_core.config import from_mapping, load_yaml  # noqa: E402
from m3l_core.errors import ConfigError  # noqa: E402
from m3l_core.network import Architecture, LinearFusion  # noqa: E402
from m3l_core.train.config import (  # noqa: E402
    FINE_TUNING,
    FROM_SCRATCH,
    OptimizerConfig,
    Phase,
    PUBLISHED,
    TrainConfig,
)
from m3l_core.train.methods import MethodName  # noqa: E402
from m3l_core.train.methods.m3l_plus import M3LPlus  # noqa: E402
from m3l_core.train.schedule import make_optimizer, rate_scale, set_rate  # noqa: E402


def test_phases_change_the_size_at_their_share() -> None:
    sizes = [CONFIG.size_at(step) for step in range(6)]
    assert sizes == [(32, 48)] * 3 + [(64, 80)] * 3


def test_every_problem_of_a_configuration_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        replace(CONFIG, steps=0, phases=(Phase(size=(32, 48), share=0.5),), ema=1.0)
    for problem in ('steps must be at least 1', 'must add up to 1, got 0.5', 'ema must lie in'):
        assert problem in str(error.value)


@pytest.mark.parametrize(
    ('change', 'problem'),
    [
        ({'phases': [{'size': [0, 64], 'share': 1.0}]}, 'size must have sides of at least 32'),
        ({'phases': [{'size': [64, 64], 'share': 1.5}]}, r'share must lie in \(0, 1\], got 1.5'),
        ({'network_size': [16, 640]}, 'network_size must have sides of at least 32'),
        ({'optimizer': {'lr': float('nan')}}, 'lr must be positive and finite, got nan'),
        ({'seed': -1}, r'seed must lie in \[0, 2\^63\), got -1'),
        ({'seed': 2**63}, 'seed must lie in'),
        ({'burn_in': 1.0}, r'burn_in must lie in \[0, 1\), got 1.0'),
        ({'name': '../x'}, 'name must be one word'),
        ({'stepz': 3}, 'stepz: unknown key'),
    ],
)
def test_values_no_run_could_use_are_refused(change: dict[str, object], problem: str) -> None:
    values = {'name': 'x', 'steps': 1, 'phases': [{'size': [64, 64], 'share': 1.0}]}
    with pytest.raises(ConfigError, match=problem):
        from_mapping(TrainConfig, values | change, 'config')


def test_rate_rises_linearly_and_falls_to_nothing() -> None:
    config = OptimizerConfig(warmup=0.1)
    scales = [rate_scale(step, 100, config) for step in range(100)]
    assert scales[:3] == pytest.approx([0.1, 0.2, 0.3])
    assert max(scales) == scales[9] == scales[10] == 1.0
    assert scales[55] == pytest.approx(0.5)
    assert 0 < scales[-1] < 0.001


def test_fine_tuning_decays_as_published() -> None:
    assert rate_scale(0, 100, FINE_TUNING) == 1
    assert rate_scale(75, 100, FINE_TUNING) == pytest.approx(0.25**0.9)


def test_norms_biases_and_tokens_are_not_decayed_and_the_decoder_learns_faster() -> None:
    model = LinearFusion(Architecture.mit('b0', num_classes=13))
    optimizer = make_optimizer([model], FINE_TUNING)
    rates, decays = {}, {}
    set_rate(optimizer, 0, 10, FINE_TUNING)
    for group in optimizer.param_groups:
        for parameter in group['params']:
            rates[parameter], decays[parameter] = group['lr'], group['weight_decay']
    assert len(rates) == len(list(model.parameters()))
    for name, parameter in model.named_parameters():
        assert rates[parameter] == (3e-4 if name.startswith('decoder.') else 1e-4), name
        if parameter.ndim < 2 or 'norm' in name:
            assert decays[parameter] == 0, name
    assert decays[model.decoder.fuse.weight] == 1e-4


@pytest.mark.parametrize(
    ('init', 'optimizer', 'expected'),
    [
        ('scratch', None, FROM_SCRATCH),
        ('pretrained', None, FINE_TUNING),
        ('pretrained', OptimizerConfig(lr=5e-4), OptimizerConfig(lr=5e-4)),
    ],
)
def test_where_the_weights_start_picks_the_schedule(
    init: str, optimizer: OptimizerConfig | None, expected: OptimizerConfig
) -> None:
    assert replace(CONFIG, init=init, optimizer=optimizer).schedule == expected


def test_m3l_takes_the_published_optimizer_if_told_nothing_else() -> None:
    assert replace(CONFIG, method='m3l').schedule == PUBLISHED
    assert replace(CONFIG, method='m3l', optimizer=OptimizerConfig()).schedule == OptimizerConfig()


def test_unlabeled_images_come_to_count_after_the_burn_in() -> None:
    config = replace(CONFIG, steps=100, burn_in=0.2, ramp=0.1)
    assert config.unlabeled_from == 20
    strengths = [config.strength_at(step) for step in (0, 19, 20, 24, 29, 30, 99)]
    assert strengths == pytest.approx([0, 0, 0.1, 0.5, 1, 1, 1])
    assert replace(CONFIG, burn_in=0.0, ramp=0.0).strength_at(0) == 1


@pytest.mark.parametrize(
    ('method', 'pairs'),
    [
        ('supervised_dropout', (20, 30)),
        ('mean_teacher', (20, 20 + 2.5 * 10)),
        ('m3l', (20, 20 + 3.75 * 10)),
        ('m3l_plus', (20, 20 + 4.25 * 10)),
        ('cps', (40, 40 + 4 * 10)),  # two networks learn from labels from the first step on
    ],
)
def test_pairs_are_counted_by_what_a_step_trains_on(
    method: MethodName, pairs: tuple[float, float]
) -> None:
    config = replace(CONFIG, method=method, steps=30, batch_size=4, burn_in=2 / 3)
    of_steps = tuple(config.pairs_until(step) for step in (20, 30))
    assert of_steps == tuple(4 * number for number in pairs)
    assert config.pairs_until(0) == 0


def test_switches_of_a_method_are_read_from_the_file() -> None:
    values = {
        'name': 'x',
        'steps': 1,
        'phases': [{'size': [64, 64], 'share': 1.0}],
        'method': 'm3l_plus',
        'm3l_plus': {'doubt': False, 'sure': 0.5},
    }
    assert from_mapping(TrainConfig, values, 'c').m3l_plus == M3LPlus(doubt=False, sure=0.5)
    with pytest.raises(
        ConfigError, match=r"method: expected one of \['supervised', .*, got 'm4l'"
    ):
        from_mapping(TrainConfig, values | {'method': 'm4l'}, 'c')
    with pytest.raises(ConfigError, match=r'sure must lie in \[0, 1\), got 1.0'):
        from_mapping(TrainConfig, values | {'m3l_plus': {'sure': 1.0}}, 'c')


@pytest.mark.parametrize(
    'path',
    sorted((Path(__file__).parents[3] / 'config/train').glob('*.yaml')),
    ids=lambda p: p.stem,
)
def test_configurations_that_come_with_the_package_are_whole(path: Path) -> None:
    assert from_mapping(TrainConfig, load_yaml(path), str(path)).name == path.stem.replace(
        'fine_tune_', 'fine_tuned_'
    )
