"""Methods of learning: the published step on published numbers, and what each does with images."""

from __future__ import annotations

from collections import Counter
import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from m3l_core.architecture import Architecture  # noqa: E402
from m3l_core.checkpoint import load_official, locate  # noqa: E402
from m3l_core.network import LinearFusion  # noqa: E402
from m3l_core.train.config import PUBLISHED  # noqa: E402
from m3l_core.train.methods import make_method, METHODS  # noqa: E402
from m3l_core.train.methods.m3l import m3l_losses  # noqa: E402
from m3l_core.train.methods.m3l_plus import M3LPlus  # noqa: E402
from m3l_core.train.methods.method import Images, Networks, Setting, StepImages  # noqa: E402
from m3l_core.train.methods.mixing import mixed, random_rectangles  # noqa: E402
from m3l_core.train.objective import ohem_loss, trusted_loss  # noqa: E402
from m3l_core.train.schedule import make_optimizer, rate_scale, set_rate  # noqa: E402
from m3l_core.train.teacher import follow  # noqa: E402

GOLDEN = Path(__file__).parents[2] / 'golden'
SIZE = (64, 80)


def golden_json(name: str) -> dict:
    return json.loads((GOLDEN / f'{name}.json').read_text())


def official(whose: str) -> LinearFusion:
    """Return a network of the published file that drops nothing out."""
    loaded = load_official(GOLDEN / 'tiny_official.pth', weights=whose)
    network = LinearFusion(loaded.architecture, drop_path=0, dropout=0)
    network.load_state_dict(loaded.state_dict())
    return network


def images(prefix: str, labels: np.ndarray) -> Images:
    step = np.load(GOLDEN / 'tiny_step.npz')
    rgb, depth = (torch.from_numpy(step[f'{prefix}_{kind}']) for kind in ('rgb', 'depth'))
    return Images(rgb, depth, torch.from_numpy(labels.astype(np.uint8)))


@pytest.fixture(scope='module')
def published_step() -> tuple[Networks, dict[str, float], float, float, np.ndarray]:
    """One step of M3L, and what it gave: networks after it, gradient norms, losses, labels."""
    step = np.load(GOLDEN / 'tiny_step.npz')
    networks = Networks(official('student').train(), official('teacher').train())
    kept = torch.tensor([[True, True], [False, True], [True, False]])  # -1, 0 and 1
    present = kept[torch.from_numpy(step['mask_choice']) + 1]
    labeled, unlabeled = images('lab', step['gt']), images('unl', np.zeros_like(step['gt']))
    losses = m3l_losses(networks, labeled, unlabeled, present)
    optimizer = make_optimizer([networks.student], PUBLISHED)
    set_rate(optimizer, 0, 1000, PUBLISHED)
    (losses.supervised + losses.consistency).backward()
    gradients = {}
    for name in golden_json('tiny_step')['grad_norms']:
        ours, row = locate(name)
        gradient = networks.student.get_parameter(ours).grad
        gradients[name] = gradient if row is None or gradient is None else gradient[row]
    norms = {name: 0.0 if g is None else g.norm().item() for name, g in gradients.items()}
    optimizer.step()
    for t in range(3):
        follow(networks.teacher, networks.student, momentum=0.99, step=t)
    labels = losses.pseudo_labels.numpy()
    return networks, norms, losses.supervised.item(), losses.consistency.item(), labels


def test_losses_of_a_step_equal_the_published_ones(published_step) -> None:  # noqa: ANN001
    _, _, supervised, consistency, labels = published_step
    step = np.load(GOLDEN / 'tiny_step.npz')
    assert supervised == pytest.approx(float(step['sup_loss']), rel=1e-6)
    assert consistency == pytest.approx(float(step['pseudo_loss']), rel=1e-6)
    np.testing.assert_array_equal(labels, step['pseudo_labels'])


def test_gradients_of_a_step_equal_the_published_ones(published_step) -> None:  # noqa: ANN001
    expected = {n: norm or 0.0 for n, norm in golden_json('tiny_step')['grad_norms'].items()}
    assert published_step[1] == pytest.approx(expected, rel=1e-5, abs=1e-9)
    assert expected['alpha'] > 0


@pytest.mark.parametrize('whose', ['student', 'teacher'])
def test_parameters_after_a_step_equal_the_published_ones(
    published_step,  # noqa: ANN001
    whose: str,
) -> None:
    step = np.load(GOLDEN / 'tiny_step.npz')
    stored = [key for key in step if key.startswith(f'{whose}_after.')]
    assert len(stored) >= 5
    network = getattr(published_step[0], whose)
    for key in stored:
        ours, row = locate(key.split('.', 1)[1])
        value = network.state_dict()[ours].numpy()
        value = value if row is None else value[row]
        np.testing.assert_allclose(value, step[key], rtol=0, atol=1e-7, err_msg=key)


def test_groups_of_the_optimizer_are_the_published_ones() -> None:
    student = official('student')
    names = {parameter: name for name, parameter in student.named_parameters()}
    optimizer = make_optimizer([student], PUBLISHED)
    groups = {
        (group['peak_lr'], group['weight_decay']): {names[p] for p in group['params']}
        for group in optimizer.param_groups
    }
    published = golden_json('tiny_step')
    expected: dict[tuple[float, float], set[str]] = {}
    for members, rate, decay in zip(
        published['param_groups'].values(),
        published['lrs'],
        published['weight_decays'],
        strict=True,
    ):
        expected.setdefault((rate, decay), set()).update(locate(name)[0] for name in members)
    assert groups == expected
    assert published['in_no_group'] == ['alpha']


@pytest.mark.parametrize('step', [0, 1, 10, 500, 999])
def test_rate_falls_as_published(step: int) -> None:
    poly = golden_json('tiny_parts')['poly']
    rate = poly['base_lr'] * rate_scale(step, poly['total'], PUBLISHED)
    assert rate == pytest.approx(poly['lr'][str(step)], rel=1e-6)


def test_average_follows_as_published_up_to_five_thousand_steps() -> None:
    ema = golden_json('tiny_parts')['ema']
    student, teacher = (torch.nn.Linear(3, 1, bias=False) for _ in range(2))
    for update in ema['updates']:
        student.weight.data = torch.tensor([update['student']])
        follow(teacher, student, momentum=ema['ema_alpha'], step=update['t'])
        np.testing.assert_allclose(
            teacher.weight.detach()[0].numpy(), update['teacher'], rtol=0, atol=1e-7
        )


@pytest.mark.parametrize('case', range(4))
def test_hard_pixels_are_the_published_ones(case: int) -> None:
    parts, arrays = golden_json('tiny_parts')['ohem'], np.load(GOLDEN / 'tiny_ohem.npz')
    expected = parts['cases'][case]
    logits = torch.from_numpy(arrays['logits']).requires_grad_()
    labels = torch.from_numpy(arrays[expected['labels']])
    loss = ohem_loss(logits, labels, least_kept=expected['min_kept'], threshold=parts['threshold'])
    assert loss.item() == pytest.approx(expected['loss'], rel=1e-6)
    loss.backward()
    kept = (logits.grad.abs().sum(1) > 0).sum().item()
    assert kept == expected['kept_pixels']


TINY = Architecture(
    embed_dims=(16, 32, 40, 64),
    num_heads=(1, 2, 5, 8),
    depths=(1, 1, 1, 1),
    sr_ratios=(8, 4, 2, 1),
    mlp_ratio=2,
    decoder_dim=32,
    num_classes=5,
    fusion_ratio=0.8,
)


def random_images(seed: int, *, labeled: bool = True, count: int = 2) -> Images:
    generator = torch.Generator().manual_seed(seed)
    rgb, depth = torch.randn(2, count, 3, *SIZE, generator=generator)
    labels = torch.randint(5, (count, *SIZE), generator=generator, dtype=torch.uint8)
    return Images(rgb, depth, labels if labeled else torch.zeros_like(labels))


def networks(*, peer: bool = False) -> Networks:
    torch.manual_seed(0)
    student, teacher, other = (LinearFusion(TINY).train() for _ in range(3))
    return Networks(student, teacher.eval(), other if peer else None)


def setting(strength: float = 1.0, seed: int = 0) -> Setting:
    return Setting(torch.ones(5), torch.Generator().manual_seed(seed), strength)


STEP = StepImages(
    random_images(1), random_images(2, labeled=False), random_images(3, labeled=False)
)


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
def test_unlabelled_images_count_as_much_as_strength_says(name: str) -> None:
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


def test_the_student_of_m3l_plus_misses_color_and_depth_of_every_unlabelled_image() -> None:
    nets = watched()
    M3LPlus().loss(nets, STEP, setting())
    ((rgb, present, _),) = nets.student.shown
    assert present[:2].all()
    assert present[4:].tolist() == [[False, True]] * 2 + [[True, False]] * 2
    assert torch.equal(rgb[4:6], rgb[6:8])
    assert torch.equal(rgb[:2], STEP.labeled.rgb)


def test_without_switches_student_and_teacher_see_the_same_views() -> None:
    plain = M3LPlus(steady_teacher=False, doubt=False, strong_views=False, both_missing=False)
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
    _, trust = M3LPlus(sure=0.99)._teach(nets.teacher, padded)
    assert not trust.any()


def test_loss_of_trusted_pixels_is_over_all_pixels() -> None:
    logits = torch.tensor([2.0, 0.0])[None, None, :, None, None].expand(3, 1, 2, 4, 4)
    labels = torch.zeros(1, 4, 4, dtype=torch.long)
    labels[0, 0] = 255
    trust = torch.zeros(1, 4, 4, dtype=torch.bool)
    trust[0, :2] = True  # 8 pixels, 4 of them without a label, 12 labels in all
    loss = trusted_loss(logits, labels, trust).item()
    assert loss == pytest.approx(4 / 12 * float(np.log1p(np.exp(-2))), rel=1e-5)


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
        # The decoder sees two streams of each of the n = 2 labelled images.
        assert trained['images'] / 4 + looked['images'] / 16 == cost, name


def _counting(counter: Counter):  # noqa: ANN202
    def hook(_module, _inputs, output) -> None:  # noqa: ANN001
        counter['images'] += len(output)

    return hook
