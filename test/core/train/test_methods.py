"""What every method of learning owes: it trains what it should, by as much as it says."""

from __future__ import annotations

from collections import Counter

import pytest
from tiny_networks import networks, random_images, setting, STEP

from m3l_core.network import LinearFusion
from m3l_core.train.methods import make_method, METHODS
from m3l_core.train.methods.m3l_plus import M3LPlus


@pytest.mark.parametrize('name', METHODS)
def test_every_method_trains_what_it_should_and_nothing_else(name: str) -> None:
    method = make_method(name, M3LPlus())
    nets = networks(peer=method.two_networks)
    method.loss(nets, STEP, setting()).backward()
    for network in filter(None, (nets.student, nets.peer)):
        assert network.decoder.classify.weight.grad.abs().sum() > 0
        assert network.encoder.stages[0].embed.proj.weight.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in nets.teacher.parameters())


@pytest.mark.parametrize('name', METHODS)
def test_unlabeled_images_count_as_much_as_strength_says(name: str) -> None:
    method = make_method(name, M3LPlus(strong_views=False, sure=0.0))
    other = STEP._replace(unlabeled=random_images(9, labeled=False))
    losses = {}
    for strength in (0.0, 0.5, 1.0):
        for key, step in (('one', STEP), ('other', other)):
            nets = networks(peer=method.two_networks)
            for network in filter(None, (nets.student, nets.teacher, nets.peer)):
                _without_dropout(network)
            losses[key, strength] = method.loss(nets, step, setting(strength)).item()
    half = (losses['one', 0.0] + losses['one', 1.0]) / 2
    assert losses['one', 0.5] == pytest.approx(half, rel=1e-5)
    assert losses['one', 0.0] == pytest.approx(losses['other', 0.0], rel=1e-5)
    assert (losses['one', 1.0] != losses['other', 1.0]) == method.unlabeled


def _without_dropout(network: LinearFusion) -> None:
    network.decoder.dropout.p = 0.0
    for stage in network.encoder.stages:
        for block in stage.blocks:
            block.drop_path = 0.0


def test_cost_counts_what_is_trained_on() -> None:
    costs = {name: make_method(name, M3LPlus()).cost for name in METHODS}
    for name, cost in costs.items():
        method = make_method(name, M3LPlus())
        nets = networks(peer=method.two_networks)
        trained, looked = Counter(), Counter()
        for network in filter(None, (nets.student, nets.teacher, nets.peer)):
            counter = looked if network is nets.teacher else trained
            network.decoder.register_forward_hook(_counting(counter))
        method.loss(nets, STEP, setting())
        # The decoder sees two streams of each of the n = 2 labeled images.
        assert trained['images'] / 4 + looked['images'] / 16 == cost, name


def _counting(counter: Counter):  # noqa: ANN202
    def hook(_module, _inputs, output) -> None:  # noqa: ANN001
        counter['images'] += len(output)

    return hook
