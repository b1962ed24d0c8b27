"""What is taken for a run of the grid, and what is refused."""

from __future__ import annotations

from dataclasses import asdict, replace
from hashlib import sha256
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

pytest.importorskip('torch')

from m3l_core.benchmark.grid import Grid, Run
from m3l_core.benchmark.inputs import Inputs
from m3l_core.benchmark.results import best_conventions
from m3l_core.benchmark.run_files import expect_comparable, RunFiles
from m3l_core.errors import ConfigError, ModelError
from m3l_core.evaluate.conventions import Convention, DEPLOYED
from m3l_core.evaluate.image_counts import ImageCounts
from m3l_core.metrics import CONDITIONS
from m3l_core.train.config import OptimizerConfig, Phase, TrainConfig
from m3l_core.train.methods import MethodName
from m3l_core.weights_file import read_weights_card, weights_sha256, with_card

ZERO = Convention('zero')


def files(out: Path, method: MethodName = 'm3l', seed: int = 0) -> RunFiles:
    name = f'{method}_9_{seed}'
    config = TrainConfig(
        name=name,
        method=method,
        labels=9,
        seed=seed,
        steps=6,
        init='pretrained',
        optimizer=OptimizerConfig(),
        phases=(Phase(size=(32, 32), share=1.0),),
    )
    return RunFiles(out, Run(name, method, 9, seed, config))


def begin(one: RunFiles, **values: object) -> None:
    """Write what training writes first."""
    began = {'images': 'abc', 'weights': 'start 123', 'processes': '1'}
    stored = json.loads(json.dumps(asdict(one.run.config))) | began | values
    one.folder.mkdir(parents=True)
    (one.folder / 'config.yaml').write_text(yaml.safe_dump(stored))


def train(one: RunFiles, tiny_files: Path, steps: int) -> None:
    """Write weights of so many steps."""
    weights = tiny_files.with_suffix('.safetensors')
    card = replace(read_weights_card(weights), training={'steps': steps})
    one.weights.write_bytes(with_card(weights.read_bytes(), card))


def score(one: RunFiles, convention: Convention, hits: int) -> None:
    """Write what scoring writes, with so many of 100 pixels right."""
    right = np.array([[[hits, 100 - hits]]])
    ImageCounts(('1',), ('wall',), dict.fromkeys(CONDITIONS, right)).save(
        one.scored_into('val', convention)
    )
    one.scored_into('val', convention).with_suffix('.json').write_text('{"floor": 5}')
    one.keep('val', convention)


def test_a_run_of_the_same_values_is_taken(tmp_path: Path) -> None:
    one = files(tmp_path)
    assert one.began_with() == {}
    begin(one)
    assert one.began_with() == {'images': 'abc', 'weights': 'start 123', 'processes': '1'}


def test_other_values_are_refused_down_to_nested_ones(tmp_path: Path) -> None:
    one = files(tmp_path)
    begin(one, seed=4, optimizer=asdict(OptimizerConfig(lr=0.5)))
    with pytest.raises(ConfigError) as caught:
        one.began_with()
    assert str(caught.value) == (
        f'{one.folder}: holds a run that the grid does not ask for, with optimizer.lr: 0.5 '
        'instead of 0.001, seed: 4 instead of 0. Give another --out, or the grid it was made by.'
    )


def test_a_value_that_was_not_there_yet_may_have_been_another(tmp_path: Path) -> None:
    one = files(tmp_path, 'm3l_plus')
    switches = asdict(one.run.config.m3l_plus)
    del switches['doubt']
    begin(one, m3l_plus=switches)
    with pytest.raises(ConfigError, match=r'with m3l_plus\.doubt: None instead of True\.'):
        one.began_with()


def test_switches_of_another_method_make_no_difference(tmp_path: Path) -> None:
    one = files(tmp_path, 'm3l')
    begin(one, m3l_plus={'doubt': False, 'gone': 1})
    assert one.began_with()


@pytest.mark.parametrize(('key', 'value'), [('images', 'other'), ('weights', 'other 456')])
def test_runs_of_one_seed_from_other_images_or_weights_are_not_mixed(
    tmp_path: Path, key: str, value: str
) -> None:
    both = [files(tmp_path), files(tmp_path, 'cps')]
    begin(both[0])
    begin(both[1], **{key: value})
    with pytest.raises(ConfigError, match=f'cps_9_0: began with {key} {value}, but m3l_9_0 with'):
        expect_comparable(both)


def test_another_seed_may_have_other_images(tmp_path: Path) -> None:
    both = [files(tmp_path), files(tmp_path, seed=1)]
    begin(both[0])
    begin(both[1], images='other')
    expect_comparable(both)


def test_weights_that_runs_did_not_begin_from_are_refused(
    tmp_path: Path, tiny_files: Path
) -> None:
    one, weights = files(tmp_path), tiny_files.with_suffix('.safetensors')
    begin(one)
    inputs = Inputs(data=tmp_path, weights=weights)
    with pytest.raises(ConfigError, match=r'm3l_9_0: began from start 123, but --weights is tiny'):
        inputs.expect_same_start([one])
    other = files(tmp_path, 'cps')
    begin(other, weights=f'tiny {weights_sha256(weights.read_bytes())[:12]}')
    inputs.expect_same_start([other])


def test_the_encoder_of_a_mix_transformer_is_a_start_too(tmp_path: Path) -> None:
    weights = tmp_path / 'mit_b0.pth'
    weights.write_bytes(b'as torch.save writes it')
    inputs, one, other = (
        Inputs(data=tmp_path, weights=weights),
        files(tmp_path),
        files(tmp_path, 'cps'),
    )
    begin(one, weights=f'mit_b0.pth {sha256(weights.read_bytes()).hexdigest()[:12]}')
    inputs.expect_same_start([one])
    begin(other)
    with pytest.raises(ConfigError, match='cps_9_0: began from start 123, but --weights is mit_b'):
        inputs.expect_same_start([other])


def test_weights_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / 'torn.safetensors').write_bytes(b'torn')
    for name in ('torn.safetensors', '.'):
        with pytest.raises(ModelError, match='cannot be read as a checkpoint'):
            Inputs(data=tmp_path, weights=tmp_path / name).expect_same_start([])


@pytest.mark.parametrize(
    ('given', 'expected'),
    [
        ({}, '--weights: is missing, but m3l_9_0 needs it.'),
        ({'weights': Path('none')}, '--weights: there is no none.'),
        ({'weights': Path(), 'data': Path('none')}, '--data: there is no none.'),
        (
            {'weights': Path(), 'unlabeled': (Path(), Path('gone'))},
            '--unlabeled: there is no g',
        ),
        ({'weights': Path(), 'rendered': Path()}, '--rendered: is given, but no run of the grid'),
    ],
)
def test_what_runs_need_is_asked_for_before_the_first(
    tmp_path: Path, given: dict[str, Any], expected: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        Inputs(**({'data': tmp_path} | given)).expect_enough([files(tmp_path).run])
    assert expected in str(caught.value)


def test_a_run_is_trained_when_its_weights_saw_the_last_step(
    tmp_path: Path, tiny_files: Path
) -> None:
    one = files(tmp_path)
    begin(one)
    assert one.card() is None
    train(one, tiny_files, steps=5)
    assert one.card() is None
    train(one, tiny_files, steps=6)
    assert one.card() is not None


def test_counts_of_other_weights_are_not_taken(tmp_path: Path, tiny_files: Path) -> None:
    one = files(tmp_path)
    begin(one)
    train(one, tiny_files, steps=6)
    score(one, DEPLOYED, 50)
    assert one.counts('val', DEPLOYED) is not None
    assert one.floor('val', DEPLOYED) == 5
    data = bytearray(one.weights.read_bytes())
    data[-1] ^= 1
    one.weights.write_bytes(bytes(data))
    assert one.counts('val', DEPLOYED) is None


def test_each_method_is_given_what_suits_it_best_over_its_seeds(
    tmp_path: Path, tiny_files: Path
) -> None:
    grid = Grid(base={}, methods=('m3l', 'cps'), labels=(9,), missing=(DEPLOYED, ZERO))
    scores = {('m3l', 0): (50, 40), ('m3l', 1): (50, 59), ('cps', 0): (30, 31), ('cps', 1): (9, 9)}
    runs: list[RunFiles] = []
    names: tuple[MethodName, ...] = ('m3l', 'cps')
    for method in names:
        for seed in (0, 1):
            one = files(tmp_path, method, seed)
            begin(one)
            train(one, tiny_files, steps=6)
            for convention, hits in zip(grid.missing, scores[method, seed], strict=True):
                score(one, convention, hits)
            runs.append(one)
    assert best_conventions(grid, runs) == {'m3l': DEPLOYED, 'cps': ZERO}


def test_progress_is_that_of_the_last_whole_line(tmp_path: Path) -> None:
    one = files(tmp_path)
    assert one.progress() == (0, 0.0)
    one.folder.mkdir(parents=True)
    lines = '{"step": 2, "loss": 1.0, "seconds": 30}\n{"step": 3, "both": 1.0}\n{"step": 4, "lo'
    (one.folder / 'log.jsonl').write_text(lines)
    assert one.progress() == (3, 30)
