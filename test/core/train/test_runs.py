"""Whole small runs: steps, stops, and what they leave."""

from __future__ import annotations

import copy
from dataclasses import replace
import json
import os
from pathlib import Path
import subprocess
import sys

import pytest

torch = pytest.importorskip('torch')

from small_run import CONFIG, train  # noqa: E402

from m3l_core import checkpoint  # noqa: E402
from m3l_core.errors import ConfigError, M3lError, ModelError, TrainingError  # noqa: E402
from m3l_core.model_card import ModelCard  # noqa: E402
from m3l_core.network import LinearFusion  # noqa: E402
from m3l_core.network.inputs import InputEncoder  # noqa: E402
from m3l_core.train.config import (  # noqa: E402
    OptimizerConfig,
)
from m3l_core.train.objective import class_weights, draw_present, supervised_loss  # noqa: E402
from m3l_core.train.schedule import make_optimizer, set_rate  # noqa: E402
from m3l_core.train.sources import open_sources  # noqa: E402
from m3l_core.train.trainer import Trainer  # noqa: E402
from m3l_core.train.validation import validate  # noqa: E402


def test_one_step_is_the_one_a_reader_would_write(images: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, optimizer=OptimizerConfig(warmup=0.5, clip=0.5))
    trainer = Trainer(config, open_sources(images, 'train'), tmp_path / 'run')
    batch = trainer._batches().make(0).labeled
    model = copy.deepcopy(trainer.student).train()
    masking = torch.Generator().manual_seed(config.seed)
    present = draw_present(2, masking)
    encode = InputEncoder(trainer.card({}), config.size_at(0))
    torch.manual_seed(7)
    streams = model.stream_logits(*encode(batch.rgb, batch.depth_m), present)
    predicted = torch.cat([streams, model.ensemble(streams)[None]])
    weights = class_weights(trainer.sources.count_pixels())
    supervised_loss(predicted, batch.labels, weights).backward()
    assert torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5) > 0.5
    optimizer = make_optimizer([model], config.schedule)
    set_rate(optimizer, 0, config.steps, config.schedule)
    assert optimizer.param_groups[0]['lr'] == pytest.approx(1e-3 / 3)
    optimizer.step()
    torch.manual_seed(7)
    trainer.learner.learn(trainer._batches().make(0), 0)
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


def test_a_run_killed_while_it_saves_its_last_step_still_leaves_that_step(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(CONFIG, images, tmp_path / 'whole')

    def save_but_the_last(path: Path, model: LinearFusion, card: ModelCard) -> None:
        if card.training['steps'] == CONFIG.steps:
            raise KeyboardInterrupt
        checkpoint.save(path, model, card)

    with monkeypatch.context() as patched:
        patched.setattr('m3l_core.train.trainer.save', save_but_the_last)
        with pytest.raises(KeyboardInterrupt):
            train(CONFIG, images, tmp_path / 'parts')
    model, card = checkpoint.load(train(CONFIG, images, tmp_path / 'parts').folder.weights)
    assert card.training['steps'] == CONFIG.steps
    wanted = whole.teacher.state_dict()
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in model.state_dict().items())


def test_another_configuration_is_refused_in_the_same_folder(images: Path, tmp_path: Path) -> None:
    train(CONFIG, images, tmp_path / 'run', until=2)
    with pytest.raises(ConfigError, match='other values of ema, seed'):
        Trainer(replace(CONFIG, seed=1, ema=0.5), open_sources(images, 'train'), tmp_path / 'run')


def test_a_damaged_state_is_named(images: Path, tmp_path: Path) -> None:
    train(CONFIG, images, tmp_path / 'run', until=2)
    (tmp_path / 'run' / 'state.pt').write_bytes(b'torn')
    with pytest.raises(ModelError, match=r'state\.pt: cannot be read'):
        Trainer(CONFIG, open_sources(images, 'train'), tmp_path / 'run')


def test_time_that_runs_out_saves_and_the_same_run_goes_on(images: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    trainer = Trainer(CONFIG, open_sources(images, 'train'), tmp_path / 'run')
    scores = trainer.run(lambda batches, *_: batches, lines.append, seconds=0)
    assert scores == {}
    assert lines == ['stopped at step 1 of 6; the same command goes on from step 1.']
    assert Trainer(CONFIG, open_sources(images, 'train'), tmp_path / 'run').step == 1


def test_a_loss_that_is_no_number_ends_the_run(images: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, steps=50)
    trainer = Trainer(config, open_sources(images, 'train'), tmp_path / 'run')
    torch.nn.init.constant_(trainer.student.decoder.classify.bias, float('nan'))
    with pytest.raises(TrainingError, match='step 2: the loss is nan'):
        trainer.run(lambda batches, *_: batches, str)
    assert not (tmp_path / 'run' / 'state.pt').exists()  # which would be gone on from


def test_a_run_leaves_curves_and_pictures_for_tensorboard(images: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(replace(CONFIG, steps=50, validate_every=50), images, tmp_path / 'run')
    events = EventAccumulator(str(tmp_path / 'run' / 'tensorboard'))
    events.Reload()
    tags = events.Tags()
    assert {'train/loss', 'train/lr', 'val/both', 'val/mm_robust'} <= set(tags['scalars'])
    assert len(tags['images']) == 2


def test_other_images_are_refused_in_the_same_folder(images: Path, tmp_path: Path) -> None:
    train(CONFIG, images, tmp_path / 'run', until=2)
    with pytest.raises(ConfigError, match='other values of images'):
        Trainer(CONFIG, open_sources(images, 'trainval'), tmp_path / 'run')


HOLD = """
import sys
from pathlib import Path
from m3l_core.train.run_folder import RunFolder
from small_run import CONFIG
folder = RunFolder(Path(sys.argv[1]), CONFIG, {})
print('holds', flush=True)
sys.stdin.read()
"""


def test_a_folder_that_another_process_trains_in_is_refused(images: Path, tmp_path: Path) -> None:
    sources = open_sources(images, 'train')
    with subprocess.Popen(
        [sys.executable, '-c', HOLD, str(tmp_path / 'run')],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {'PYTHONPATH': str(Path(__file__).parent)},
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b'holds\n'
        with pytest.raises(ConfigError, match='run: another training is at work in it'):
            Trainer(CONFIG, sources, tmp_path / 'run')
        other.kill()  # which is how the lock must not be left behind
    (tmp_path / 'run' / 'config.yaml').unlink()
    assert Trainer(CONFIG, sources, tmp_path / 'run').step == 0


@pytest.mark.parametrize('place', ['', 'log.jsonl', 'tensorboard', 'config.yaml'])
def test_a_place_that_cannot_be_written_is_named(images: Path, tmp_path: Path, place: str) -> None:
    out = tmp_path / 'run'
    if place in ('', 'tensorboard'):  # a file where a folder belongs
        (out / place).parent.mkdir(exist_ok=True)
        (out / place).write_bytes(b'')
    else:
        (out / place).mkdir(parents=True)
    with pytest.raises(M3lError, match=rf'run/?{place}: '):
        train(replace(CONFIG, steps=1), images, out)


def test_scores_on_images_that_were_learned_from_are_not_recorded(
    images: Path, tmp_path: Path
) -> None:
    config = replace(CONFIG, split='trainval', steps=1, save_every=1)
    trainer = train(config, images, tmp_path / 'run')
    _, card = checkpoint.load(trainer.folder.weights)
    assert card.metrics == {}


@pytest.mark.parametrize('method', ['cps', 'm3l_plus'])
def test_a_run_with_few_labels_resumes_to_the_same_numbers(
    images: Path, tmp_path: Path, method: str
) -> None:
    config = replace(CONFIG, method=method, labels=4)
    sources = open_sources(images, 'train', labels=4)
    whole = train(config, sources, tmp_path / 'whole')
    train(config, sources, tmp_path / 'parts', until=5)
    rest = train(config, sources, tmp_path / 'parts')
    for mine, theirs in ((rest.student, whole.student), (rest.teacher, whole.teacher)):
        wanted = theirs.state_dict()
        for name, tensor in mine.state_dict().items():
            assert torch.equal(tensor, wanted[name]), name


def test_until_the_burn_in_is_over_all_methods_learn_alike(images: Path, tmp_path: Path) -> None:
    sources = open_sources(images, 'train', labels=4)
    config = replace(CONFIG, burn_in=0.5)
    runs = [
        train(replace(config, method=method), sources, tmp_path / method, until=steps)
        for steps in (3, 4)
        for method in ('supervised_dropout', 'm3l_plus')
    ]
    states = [run.student.state_dict() for run in runs]
    weight = 'decoder.classify.weight'
    assert torch.equal(states[0][weight], states[1][weight])
    assert not torch.equal(states[2][weight], states[3][weight])


def test_pairs_are_counted_by_what_a_method_trains_on(images: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, method='m3l', burn_in=0.5)
    trainer = train(config, open_sources(images, 'train', labels=4), tmp_path / 'run')
    _, card = checkpoint.load(trainer.folder.weights)
    assert card.training['labeled_views'] == 12
    assert card.training['pairs'] == round(2 * (3 * 1 + 3 * 3.75))


def test_a_resumed_log_tells_of_each_step_once(images: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, validate_every=1)
    train(config, images, tmp_path / 'run', until=5)
    log = tmp_path / 'run' / 'log.jsonl'
    with log.open('a') as file:
        file.write('{"step": 5, "bo')  # a power cut
    train(config, images, tmp_path / 'run')
    steps = [json.loads(line)['step'] for line in log.read_text().splitlines()]
    assert steps == sorted(steps)
    assert len([step for step in steps if step == 5]) == 1
