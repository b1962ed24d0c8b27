"""One step of learning, on the numbers of the published implementation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from m3l_core.checkpoint import load_official, locate  # noqa: E402
from m3l_core.network import LinearFusion  # noqa: E402
from m3l_core.train.config import PUBLISHED  # noqa: E402
from m3l_core.train.methods.m3l import m3l_losses  # noqa: E402
from m3l_core.train.methods.method import Images, Networks  # noqa: E402
from m3l_core.train.objective import ohem_loss  # noqa: E402
from m3l_core.train.schedule import make_optimizer, rate_scale, set_rate  # noqa: E402
from m3l_core.train.teacher import follow  # noqa: E402

GOLDEN = Path(__file__).parents[2] / 'golden'


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
