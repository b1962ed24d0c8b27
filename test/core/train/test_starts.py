"""Where the weights of a run come from."""

from __future__ import annotations

import argparse
from dataclasses import replace
import json
from pathlib import Path

import pytest

torch = pytest.importorskip('torch')

from small_run import CONFIG, train  # noqa: E402

from m3l_core import checkpoint  # noqa: E402
from m3l_core.architecture import Architecture  # noqa: E402
from m3l_core.checkpoint import locate  # noqa: E402
from m3l_core.classes import ClassSet, NYU13  # noqa: E402
from m3l_core.commands.train import add_arguments  # noqa: E402
from m3l_core.errors import ConfigError, ModelError  # noqa: E402
from m3l_core.network import LinearFusion  # noqa: E402
from m3l_core.train.config import (  # noqa: E402
    OptimizerConfig,
)
from m3l_core.train.sources import open_sources  # noqa: E402
from m3l_core.train.start import initial_network  # noqa: E402
from m3l_core.train.trainer import Trainer  # noqa: E402

GOLDEN = Path(__file__).parents[2] / 'golden'


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


def test_a_start_that_fails_leaves_the_folder_free(images: Path, tmp_path: Path) -> None:
    sources = open_sources(images, 'train')
    with pytest.raises(ConfigError):
        Trainer(replace(CONFIG, init='pretrained'), sources, tmp_path / 'run')
    assert Trainer(CONFIG, sources, tmp_path / 'run').step == 0


def test_an_encoder_trained_on_imagenet_starts_a_run(tmp_path: Path) -> None:
    donor = LinearFusion(Architecture.mit('b0', num_classes=13)).encoder.state_dict()
    whole = mix_transformer(donor)
    torch.save(dict(list(whole.items())[:5]), tmp_path / 'part.pth')
    with pytest.raises(ModelError, match='is of another architecture'):
        initial_network(replace(CONFIG, init='pretrained'), NYU13, tmp_path / 'part.pth')
    torch.save(whole, tmp_path / 'mit_b0.pth')
    model, start = initial_network(
        replace(CONFIG, init='pretrained'), NYU13, tmp_path / 'mit_b0.pth'
    )
    weight = 'stages.2.blocks.1.mlp.fc1.weight'
    assert torch.equal(model.encoder.state_dict()[weight], donor[weight])
    assert start.name.startswith('mit_b0.pth ')
    assert 'mit_b0.pth, whose terms apply' in start.terms


def mix_transformer(encoder: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the weights of an encoder under the names of a Mix Transformer."""
    names = json.loads((GOLDEN / 'official_keys_mit_b0.json').read_text())
    tensors = {}
    for name in names:
        if name.startswith('encoder.') and 'mask_token' not in name and '.ln_1.' not in name:
            ours, row = locate(name)
            value = encoder[ours.removeprefix('encoder.')]
            plain = name.removeprefix('encoder.').replace('.module.', '.').replace('.ln_0.', '.')
            tensors[plain] = value if row is None else value[row]
    return tensors
