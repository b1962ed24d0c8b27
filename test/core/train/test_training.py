"""Training: pieces on numbers a reader can check, and a whole small run on images."""

from __future__ import annotations

import argparse
import copy
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip('torch')

from m3l_core import checkpoint  # noqa: E402
from m3l_core.classes import ClassSet, NYU13  # noqa: E402
from m3l_core.commands.train import add_arguments  # noqa: E402
from m3l_core.config import from_mapping  # noqa: E402
from m3l_core.errors import ConfigError, ModelError, TrainingError  # noqa: E402
from m3l_core.network import Architecture, LinearFusion  # noqa: E402
from m3l_core.network.inputs import InputEncoder  # noqa: E402
from m3l_core.train.config import (  # noqa: E402
    FINE_TUNING,
    FROM_SCRATCH,
    OptimizerConfig,
    Phase,
    TrainConfig,
)
from m3l_core.train.objective import class_weights, draw_present, supervised_loss  # noqa: E402
from m3l_core.train.schedule import make_optimizer, rate_scale, set_rate  # noqa: E402
from m3l_core.train.sources import open_sources  # noqa: E402
from m3l_core.train.start import initial_network  # noqa: E402
from m3l_core.train.teacher import follow  # noqa: E402
from m3l_core.train.trainer import Trainer  # noqa: E402
from m3l_core.train.validation import validate  # noqa: E402

CONFIG = TrainConfig(
    name='small',
    steps=6,
    batch_size=2,
    phases=(Phase(size=(32, 48), share=0.5), Phase(size=(64, 80), share=0.5)),
    image_size=(48, 64),
    network_size=(64, 80),
    precision='float32',
    validate_every=3,
    save_every=2,
)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Twelve images in NYUv2's layout: the left half is floor, the right half wall."""
    root = tmp_path / 'nyuv2'
    generator = np.random.default_rng(0)
    ids = [f'{i:04d}' for i in range(12)]
    for kind in ('rgb', 'depth', 'label40'):
        (root / kind).mkdir(parents=True)
    for name in ids:
        right = np.arange(64) >= generator.integers(16, 48)
        labels = np.tile(np.where(right, 1, 2).astype(np.uint8), (48, 1))
        rgb = np.where(labels[..., None] == 1, 220, 40) + generator.integers(0, 20, (48, 64, 3))
        cv2.imwrite(str(root / f'rgb/{name}.jpg'), rgb.astype(np.uint8))
        depth = np.where(labels == 1, 3000, 1000).astype(np.uint16)
        cv2.imwrite(str(root / f'depth/{name}.png'), depth)
        cv2.imwrite(str(root / f'label40/{name}.png'), labels)
    for split, part in (('train', ids[:10]), ('val', ids[8:10]), ('test', ids[10:])):
        (root / f'{split}.txt').write_text('\n'.join(part))
    return root


def train(config: TrainConfig, images: Path, out: Path, *, until: int | None = None) -> Trainer:
    """Return a trainer that ran to the end, or was stopped before step `until`."""
    trainer = Trainer(config, open_sources(images, config.split), out)
    trainer.run(lambda batches, *_: _first(batches, (until or config.steps) - trainer.step), str)
    return trainer


def _first(batches, count):  # noqa: ANN001, ANN202
    for _, batch in zip(range(count), batches, strict=False):
        yield batch


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
        ({'seed': -1}, 'seed must not be negative'),
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
    optimizer = make_optimizer(model, FINE_TUNING)
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


def test_rare_classes_weigh_more_within_limits() -> None:
    weights = class_weights(torch.tensor([1, 25, 50, 924]))
    # 1 / sqrt(K * frequency), K = 4: sqrt(250) clipped to 4, sqrt(10), sqrt(5), 0.52
    assert weights.tolist() == pytest.approx([4, 10**0.5, 5**0.5, (250 / 924) ** 0.5])


def test_each_modality_is_dropped_a_third_of_the_time_and_never_both() -> None:
    present = draw_present(3000, torch.Generator().manual_seed(0))
    assert present.any(1).all()
    assert present.float().mean(0).tolist() == pytest.approx([2 / 3, 2 / 3], abs=0.03)


def test_one_step_is_the_one_a_reader_would_write(images: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, optimizer=OptimizerConfig(warmup=0.5, clip=0.5))
    trainer = Trainer(config, open_sources(images, 'train'), tmp_path / 'run')
    batch = trainer._batches().make(0)
    model = copy.deepcopy(trainer.student).train()
    masking = torch.Generator().manual_seed(config.seed)
    present = draw_present(2, masking)
    encode = InputEncoder(trainer.card({}), config.size_at(0))
    torch.manual_seed(7)
    streams = model.stream_logits(*encode(batch.rgb, batch.depth_m), present)
    weights = class_weights(trainer.sources.count_pixels())
    supervised_loss(streams, model.ensemble(streams), batch.labels, weights).backward()
    assert torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5) > 0.5
    optimizer = make_optimizer(model, config.schedule)
    set_rate(optimizer, 0, config.steps, config.schedule)
    assert optimizer.param_groups[0]['lr'] == pytest.approx(1e-3 / 3)
    optimizer.step()
    torch.manual_seed(7)
    trainer._learn(batch)
    for name, tensor in trainer.student.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name]), name


def test_what_is_scored_is_the_average(images: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, steps=12, validate_every=12, optimizer=OptimizerConfig(lr=3e-3))
    trainer = train(config, images, tmp_path / 'run')
    card = trainer.card({})
    samples = trainer.sources.validation
    scores = {
        name: validate(network.eval(), card, samples, precision=torch.float32)
        for name, network in (('teacher', trainer.teacher), ('student', trainer.student))
    }
    _, saved = checkpoint.load(trainer.folder.weights)
    assert saved.metrics['val'] == scores['teacher'] != scores['student']


def test_the_batches_are_those_of_the_configuration(images: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, rendered_share=(0.5, 0.1), cutmix=0.3)
    sources = replace(open_sources(images, 'train'), rendered=open_sources(images, 'val').training)
    batches = Trainer(config, sources, tmp_path / 'run')._batches()
    assert batches.rendered is sources.rendered
    assert batches.cutmix == 0.3
    assert batches.rendered_share_at(3) == pytest.approx(0.3)


def test_the_average_takes_buffers_along() -> None:
    student, teacher = torch.nn.BatchNorm1d(1), torch.nn.BatchNorm1d(1)
    student.running_mean.fill_(4.0)
    follow(teacher, student, momentum=0.75, step=1000)
    assert teacher.running_mean.item() == pytest.approx(1)


def test_labels_without_any_class_give_no_loss_and_no_nan() -> None:
    streams = torch.randn(2, 1, 3, 4, 4, requires_grad=True)
    labels = torch.full((1, 8, 8), 255, dtype=torch.uint8)
    loss = supervised_loss(streams, streams.mean(0), labels, torch.ones(3))
    loss.backward()
    assert loss.item() == 0
    assert not streams.grad.any()


def test_void_pixels_teach_nothing() -> None:
    streams = torch.randn(2, 1, 3, 4, 4)
    labels = torch.full((1, 8, 8), 255, dtype=torch.uint8)
    labels[0, 0, 0] = 1
    loss = supervised_loss(streams, streams.mean(0), labels, torch.ones(3))
    corner = torch.cat([streams, streams.mean(0)[None]])[:, 0, :, 0, 0]
    expected = -corner.log_softmax(1)[:, 1].mean()
    assert loss.item() == pytest.approx(expected.item(), abs=1e-6)


def test_teacher_follows_as_published() -> None:
    student, teacher = torch.nn.Linear(1, 1, bias=False), torch.nn.Linear(1, 1, bias=False)
    values = []
    for step, value in enumerate((3.0, 1.0, 5.0)):
        torch.nn.init.constant_(student.weight, value)
        follow(teacher, student, momentum=0.99, step=step)
        values.append(teacher.weight.item())
    assert values == pytest.approx([3, 2, 3])  # running means while 1 - 1/(t+1) < 0.99
    torch.nn.init.constant_(student.weight, 103.0)
    follow(teacher, student, momentum=0.99, step=5000)
    assert teacher.weight.item() == pytest.approx(4)


def test_a_small_run_learns_and_leaves_a_model(images: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, steps=40, validate_every=40, save_every=40, ema=0.9)
    trainer = train(config, images, tmp_path / 'run')
    model, card = checkpoint.load(tmp_path / 'run' / 'small.safetensors')
    assert card.metrics['val']['both'] > 60
    assert card.training['pairs'] == 80
    wanted = trainer.teacher.state_dict()
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in model.state_dict().items())


def test_a_resumed_run_ends_at_the_same_numbers(images: Path, tmp_path: Path) -> None:
    whole = train(CONFIG, images, tmp_path / 'whole')
    train(CONFIG, images, tmp_path / 'parts', until=5)  # killed between two saves
    resumed = Trainer(CONFIG, open_sources(images, 'train'), tmp_path / 'parts')
    assert resumed.step == 4
    rest = train(CONFIG, images, tmp_path / 'parts')
    for mine, theirs in ((rest.student, whole.student), (rest.teacher, whole.teacher)):
        wanted = theirs.state_dict()
        for name, tensor in mine.state_dict().items():
            assert torch.equal(tensor, wanted[name]), name


def test_another_configuration_is_refused_in_the_same_folder(images: Path, tmp_path: Path) -> None:
    train(CONFIG, images, tmp_path / 'run', until=2)
    with pytest.raises(ConfigError, match='other values of ema, seed'):
        Trainer(replace(CONFIG, seed=1, ema=0.5), open_sources(images, 'train'), tmp_path / 'run')


def test_a_damaged_state_is_named(images: Path, tmp_path: Path) -> None:
    train(CONFIG, images, tmp_path / 'run', until=2)
    (tmp_path / 'run' / 'state.pt').write_bytes(b'torn')
    with pytest.raises(ModelError, match=r'state\.pt: cannot be read'):
        Trainer(CONFIG, open_sources(images, 'train'), tmp_path / 'run')


def test_a_run_starts_from_the_weights_of_another(images: Path, tmp_path: Path) -> None:
    first = train(replace(CONFIG, steps=2), images, tmp_path / 'first')
    weights = tmp_path / 'first' / 'small.safetensors'
    second = replace(CONFIG, init='pretrained', optimizer=OptimizerConfig())
    trainer = Trainer(second, open_sources(images, 'train'), tmp_path / 'second', weights=weights)
    wanted = first.teacher.state_dict()
    for name, tensor in trainer.student.state_dict().items():
        assert torch.equal(tensor, wanted[name]), name
    assert trainer.card({}).training['start'].startswith('small.safetensors ')
    assert 'NYU Depth v2' in trainer.card({}).license_note


def test_weights_and_init_must_agree(images: Path, tmp_path: Path) -> None:
    sources = open_sources(images, 'train')
    with pytest.raises(ConfigError, match='pretrained needs a checkpoint'):
        Trainer(replace(CONFIG, init='pretrained'), sources, tmp_path / 'run')
    train(replace(CONFIG, steps=1), images, tmp_path / 'first')
    weights = tmp_path / 'first' / 'small.safetensors'
    with pytest.raises(ConfigError, match='is scratch, but weights were given'):
        Trainer(CONFIG, sources, tmp_path / 'other', weights=weights)
    b1 = replace(CONFIG, init='pretrained', encoder='b1')
    with pytest.raises(ConfigError, match='expected a b1'):
        Trainer(b1, sources, tmp_path / 'third', weights=weights)


def test_time_that_runs_out_saves_and_the_same_run_goes_on(images: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    trainer = Trainer(CONFIG, open_sources(images, 'train'), tmp_path / 'run')
    scores = trainer.run(lambda batches, *_: batches, lines.append, seconds=0)
    assert scores == {}
    assert lines == ['step 1: stopped as asked; the same command goes on.']
    assert Trainer(CONFIG, open_sources(images, 'train'), tmp_path / 'run').step == 1


def test_a_loss_that_is_no_number_ends_the_run(images: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, steps=50)
    trainer = Trainer(config, open_sources(images, 'train'), tmp_path / 'run')
    torch.nn.init.constant_(trainer.student.decoder.classify.bias, float('nan'))
    with pytest.raises(TrainingError, match='step 50: the loss is nan'):
        trainer.run(lambda batches, *_: batches, str)


def test_a_run_leaves_curves_and_pictures_for_tensorboard(images: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(replace(CONFIG, steps=50, validate_every=50), images, tmp_path / 'run')
    events = EventAccumulator(str(tmp_path / 'run' / 'tensorboard'))
    events.Reload()
    tags = events.Tags()
    assert {'train/loss', 'train/lr', 'val/both', 'val/mm_robust'} <= set(tags['scalars'])
    assert len(tags['images']) == 2


def test_data_sets_of_other_classes_are_not_mixed(images: Path, tmp_path: Path) -> None:
    other = tmp_path / 'other'
    for kind in ('rgb', 'depth', 'labels'):
        (other / kind).mkdir(parents=True)
    for name in ('a', 'b'):
        cv2.imwrite(str(other / f'rgb/{name}.png'), np.zeros((48, 64, 3), np.uint8))
        cv2.imwrite(str(other / f'depth/{name}.png'), np.ones((48, 64), np.uint16))
        cv2.imwrite(str(other / f'labels/{name}.png'), np.zeros((48, 64), np.uint8))
    (other / 'card.yaml').write_text('classes: [dog, cat]')
    with pytest.raises(ConfigError, match='got dog, cat'):
        open_sources(images, 'train', rendered=other)


def test_other_classes_take_all_but_the_last_layer(images: Path, tmp_path: Path) -> None:
    train(replace(CONFIG, steps=1), images, tmp_path / 'first')
    weights = tmp_path / 'first' / 'small.safetensors'
    trained, _ = checkpoint.load(weights)
    classes = ClassSet(tuple('abcdefghijklm'), NYU13.palette)
    config = replace(CONFIG, init='pretrained')
    model, _ = initial_network(config, classes, weights)
    assert torch.equal(
        model.encoder.stages[0].embed.proj.weight,
        trained.state_dict()['encoder.stages.0.embed.proj.weight'],
    )
    assert not torch.equal(model.decoder.classify.weight, trained.decoder.classify.weight)
    same, _ = initial_network(config, NYU13, weights)
    assert torch.equal(same.decoder.classify.weight, trained.decoder.classify.weight)


def test_shipped_weights_go_by_their_name() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    given = parser.parse_args(['run.yaml', '--data', 'x', '--weights', 'nyuv2_b0'])
    assert checkpoint.load(given.weights)[1].name == 'nyuv2_b0'
    other = parser.parse_args(['run.yaml', '--data', 'x', '--weights', 'mine.safetensors'])
    assert other.weights == Path('mine.safetensors')


def test_other_images_are_refused_in_the_same_folder(images: Path, tmp_path: Path) -> None:
    train(CONFIG, images, tmp_path / 'run', until=2)
    with pytest.raises(ConfigError, match='other values of images'):
        Trainer(CONFIG, open_sources(images, 'trainval'), tmp_path / 'run')


def test_a_start_that_fails_leaves_the_folder_free(images: Path, tmp_path: Path) -> None:
    sources = open_sources(images, 'train')
    with pytest.raises(ConfigError):
        Trainer(replace(CONFIG, init='pretrained'), sources, tmp_path / 'run')
    assert Trainer(CONFIG, sources, tmp_path / 'run').step == 0


def test_scores_on_images_that_were_learned_from_are_not_recorded(
    images: Path, tmp_path: Path
) -> None:
    config = replace(CONFIG, split='trainval', steps=1, save_every=1)
    trainer = train(config, images, tmp_path / 'run')
    _, card = checkpoint.load(trainer.folder.weights)
    assert card.metrics == {}


def test_test_images_are_not_learned_from(images: Path) -> None:
    with pytest.raises(ConfigError, match='takes in the test images'):
        open_sources(images, 'all')
