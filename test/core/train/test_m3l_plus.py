"""What student and teacher of M3L+ see, and which pixels teach."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from tiny_networks import networks, setting, SIZE, STEP

torch = pytest.importorskip('torch')

from m3l_core.network import LinearFusion  # noqa: E402
from m3l_core.train.methods.m3l_plus import M3LPlus  # noqa: E402
from m3l_core.train.methods.method import Images, Networks  # noqa: E402
from m3l_core.train.methods.mixing import mixed, random_rectangles  # noqa: E402
from m3l_core.train.methods.pseudo_labels import surest_of_each_class  # noqa: E402
from m3l_core.train.objective import trusted_loss  # noqa: E402


class Watched(torch.nn.Module):
    """A network that notes what it is shown."""

    def __init__(self, network: LinearFusion) -> None:
        super().__init__()
        self.network = network
        self.ensemble = network.ensemble
        self.shown: list[tuple[torch.Tensor, torch.Tensor | None, bool]] = []

    def stream_logits(self, rgb, depth, present=None):  # noqa: ANN001, ANN201
        self.shown.append((rgb, present, self.training))
        return self.network.stream_logits(rgb, depth, present)


def watched() -> Networks:
    nets = networks()
    return Networks(Watched(nets.student), Watched(nets.teacher).eval())


def test_the_teacher_of_m3l_plus_is_calm_and_sees_everything() -> None:
    nets = watched()
    M3LPlus().loss(nets, STEP, setting())
    ((rgb, present, training),) = nets.teacher.shown
    assert torch.equal(rgb, STEP.unlabeled.rgb)
    assert present is None
    assert not training


def test_the_student_of_m3l_plus_misses_color_and_depth_of_every_unlabeled_image() -> None:
    nets = watched()
    M3LPlus().loss(nets, STEP, setting())
    ((rgb, present, _),) = nets.student.shown
    assert present[:2].all()
    assert present[4:].tolist() == [[False, True]] * 2 + [[True, False]] * 2
    assert torch.equal(rgb[4:6], rgb[6:8])
    assert torch.equal(rgb[:2], STEP.labeled.rgb)


def test_without_switches_student_and_teacher_see_the_same_views() -> None:
    plain = M3LPlus(
        steady_teacher=False,
        doubt=False,
        strong_views=False,
        both_missing=False,
        balanced=False,
    )
    nets = watched()
    plain.loss(nets, STEP, setting())
    ((rgb, present, _),) = nets.student.shown
    assert torch.equal(rgb[4:], STEP.unlabeled.rgb)
    assert len(present) == 6
    assert nets.teacher.shown[0][2]
    assert not plain.pairs_of_views


def test_padding_and_doubtful_labels_teach_nothing() -> None:
    inside = torch.zeros(2, *SIZE, dtype=torch.uint8)
    inside[:, :, :40] = 255
    nets = networks()
    padded = STEP.unlabeled._replace(labels=inside)
    target, trust = M3LPlus(sure=0.0)._teach(nets.teacher, padded)
    assert (target[:, :, :20] == 255).all()
    assert not trust[:, :, :20].any()
    assert trust[:, :, 20:].all()
    _, trust = M3LPlus(sure=0.99, balanced=False)._teach(nets.teacher, padded)
    assert not trust.any()


def test_a_third_of_each_class_is_trusted_though_no_pixel_is_sure() -> None:
    inside = torch.zeros(2, *SIZE, dtype=torch.uint8)
    inside[:, :, :40] = 255
    padded = STEP.unlabeled._replace(labels=inside)
    target, trust = M3LPlus(sure=0.99)._teach(networks().teacher, padded)
    assert not trust[:, :, :20].any()
    for index in target[target != 255].unique():
        of_class = target == index
        assert 0.3 < trust[of_class].float().mean() < 0.35 + 1 / of_class.sum()


def test_the_surest_of_a_class_are_its_own_and_within_the_image() -> None:
    probability = torch.tensor([[[0.9, 0.8, 0.7, 0.3, 0.2, 0.1, 0.95]]])
    labels = torch.tensor([[[0, 0, 0, 1, 1, 1, 1]]])
    known = torch.tensor([[[True] * 6 + [False]]])
    surest = surest_of_each_class(probability, labels, known, share=0.33)
    assert surest.tolist() == [[[True, False, False, True, False, False, False]]]


def test_balance_weighs_unlabeled_pixels_as_labeled_ones() -> None:
    weights = torch.tensor([0.5, 1.0, 1.0, 1.0, 4.0])
    losses = {
        (balanced, name): M3LPlus(sure=0.0, balanced=balanced)
        .loss(networks(), STEP, dataclasses.replace(setting(), class_weights=value))
        .item()
        for balanced in (True, False)
        for name, value in (('equal', torch.ones(5)), ('own', weights))
    }
    assert losses[True, 'equal'] == losses[False, 'equal']
    assert losses[True, 'own'] != losses[False, 'own']


def test_loss_of_trusted_pixels_is_over_all_pixels() -> None:
    logits = torch.tensor([2.0, 0.0])[None, None, :, None, None].expand(3, 1, 2, 4, 4)
    labels = torch.zeros(1, 4, 4, dtype=torch.long)
    labels[0, 0] = 255
    trust = torch.zeros(1, 4, 4, dtype=torch.bool)
    trust[0, :2] = True  # 8 pixels, 4 of them without a label, 12 labels in all
    loss = trusted_loss(logits, labels, trust, torch.ones(2)).item()
    assert loss == pytest.approx(4 / 12 * float(np.log1p(np.exp(-2))), rel=1e-5)


def test_a_pixel_of_a_rare_class_teaches_and_counts_more() -> None:
    logits = torch.tensor([2.0, 0.0])[None, None, :, None, None].expand(3, 1, 2, 4, 4)
    labels = torch.zeros(1, 4, 4, dtype=torch.long)
    labels[0, 0] = 1  # 4 rare pixels that weigh 3, 12 frequent ones that weigh 1
    trust = torch.zeros(1, 4, 4, dtype=torch.bool)
    trust[0, :2] = True
    loss = trusted_loss(logits, labels, trust, torch.tensor([1.0, 3.0])).item()
    rare, frequent = np.log1p(np.exp(2)), np.log1p(np.exp(-2))
    assert loss == pytest.approx((4 * 3 * rare + 4 * frequent) / (4 * 3 + 12), rel=1e-5)


def test_a_rectangle_shows_the_same_image_in_color_depth_labels_and_trust() -> None:
    rectangles = random_rectangles(200, (24, 32), torch.Generator().manual_seed(0))
    shares = rectangles.flatten(1).float().mean(1)
    assert 0.3 < (shares == 0).float().mean() < 0.7
    pasted = shares[shares > 0]
    assert 0.05 < pasted.min() < 0.2
    assert 0.4 < pasted.max() < 0.6
    count = 3
    value = torch.arange(count, dtype=torch.float32)[:, None, None]
    full = value[:, None].expand(-1, 3, 48, 64)
    images_ = Images(full, full, value.expand(-1, 48, 64).to(torch.uint8))
    labels = value.expand(-1, 24, 32).long()
    masks = rectangles[shares > 0][:count]
    result, target, trust = mixed(images_, labels, labels > 0, masks)
    before = (torch.arange(count) - 1) % count
    expected = torch.where(masks, before[:, None, None], labels)
    assert torch.equal(target, expected)
    assert torch.equal(trust, expected > 0)
    assert torch.equal(result.rgb[:, 0, ::2, ::2].long(), expected)
    assert torch.equal(result.depth[:, 2, ::2, ::2].long(), expected)
    assert torch.equal(result.labels[:, ::2, ::2].long(), expected)
