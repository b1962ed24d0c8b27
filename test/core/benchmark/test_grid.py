"""What runs a grid stands for, and what is refused in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip('torch')

from m3l_core.benchmark.grid import load_grid
from m3l_core.errors import ConfigError
from m3l_core.train.config import PUBLISHED, TrainConfig

ROOT = Path(__file__).parents[3]
BASE: dict[str, Any] = {
    'steps': 100,
    'batch_size': 2,
    'phases': [{'size': [32, 64], 'share': 1.0}],
    'optimizer': {'lr': 1e-4},
}
GRID = {'base': BASE, 'methods': ['m3l', 'm3l_plus'], 'labels': [99, 50], 'seeds': [0, 1]}


def grid(tmp_path: Path, **changes: object) -> Path:
    path = tmp_path / 'grid.yaml'
    path.write_text(yaml.safe_dump(GRID | changes))
    return path


def problem(tmp_path: Path, **changes: object) -> str:
    with pytest.raises(ConfigError) as caught:
        load_grid(grid(tmp_path, **changes))
    return str(caught.value)


def test_every_combination_is_a_run_and_comparable_ones_stand_together(tmp_path: Path) -> None:
    _, runs = load_grid(grid(tmp_path))
    assert [run.name for run in runs] == [
        *('m3l_99_0', 'm3l_plus_99_0', 'm3l_99_1', 'm3l_plus_99_1'),
        *('m3l_50_0', 'm3l_plus_50_0', 'm3l_50_1', 'm3l_plus_50_1'),
    ]
    config = runs[3].config
    assert (config.name, config.method, config.labels, config.seed) == (
        *('m3l_plus_99_1', 'm3l_plus', 99, 1),
    )
    assert config.phases[0].size == (32, 64)


def test_a_variant_changes_single_values_and_may_have_its_own_labels_and_seeds(
    tmp_path: Path,
) -> None:
    variants = {
        'no_doubt': {'method': 'm3l_plus', 'change': {'m3l_plus': {'doubt': False}}},
        'published': {
            'method': 'm3l',
            'change': {'optimizer': None},
            'labels': [7],
            'seeds': [5],
        },
    }
    found, runs = load_grid(grid(tmp_path, variants=variants, seeds=[0]))
    configs: dict[str, TrainConfig] = {run.name: run.config for run in runs}
    assert configs.keys() == {
        *('m3l_99_0', 'm3l_plus_99_0', 'no_doubt_99_0'),
        *('m3l_50_0', 'm3l_plus_50_0', 'no_doubt_50_0', 'published_7_5'),
    }
    switched = configs['no_doubt_99_0']
    assert (switched.method, switched.schedule.lr) == ('m3l_plus', 1e-4)
    assert not switched.m3l_plus.doubt
    assert switched.m3l_plus.strong_views
    assert configs['published_7_5'].schedule == PUBLISHED
    assert found.comparisons == (('no_doubt', 'm3l_plus'), ('published', 'm3l'))


def test_a_variant_is_compared_with_its_method_once(tmp_path: Path) -> None:
    variants = {'slow': {'method': 'm3l'}, 'other': {'method': 'cps'}}
    found, _ = load_grid(grid(tmp_path, variants=variants, compare=[['m3l', 'slow']]))
    assert found.comparisons == (('m3l', 'slow'),)  # and cps is not in the grid


def test_nested_values_of_a_variant_are_changed_one_by_one(tmp_path: Path) -> None:
    variants = {'slow': {'method': 'm3l', 'change': {'optimizer': {'clip': 2.0}}}}
    _, runs = load_grid(grid(tmp_path, variants=variants))
    schedule = next(run for run in runs if run.method == 'slow').config.schedule
    assert (schedule.lr, schedule.clip) == (1e-4, 2.0)


def test_pairs_count_the_burn_in_and_what_a_method_looks_at(tmp_path: Path) -> None:
    _, runs = load_grid(grid(tmp_path, seeds=[0], labels=[9]))
    m3l, plus = runs
    assert m3l.pairs == 2 * (20 + 80 * 3.75)
    assert plus.pairs == 2 * (20 + 80 * 4.25)
    assert plus.config.pairs_until(10) == 2 * 10
    assert plus.config.pairs_until(21) == 2 * (20 + 4.25) - 0.5  # rounded


def test_unknown_keys_are_named_with_their_place(tmp_path: Path) -> None:
    assert 'grid.yaml.seedz: unknown key' in problem(tmp_path, seedz=[1])
    assert 'grid.yaml: base.stepz: unknown key' in problem(tmp_path, base=BASE | {'stepz': 1})
    variants = {'v': {'method': 'm3l', 'change': {'m3l_plus': {'doubts': False}}}}
    said = problem(tmp_path, variants=variants)
    assert 'grid.yaml: variants.v.m3l_plus.doubts: unknown key' in said
    assert 'base' not in said


@pytest.mark.parametrize('key', ['name', 'method', 'labels', 'seed'])
def test_what_the_grid_sets_is_refused_in_base(tmp_path: Path, key: str) -> None:
    said = problem(tmp_path, base=BASE | {key: 1})
    assert said.endswith(f'base.{key}: is set by the grid, remove it.')


def test_every_problem_of_a_grid_is_told_at_once(tmp_path: Path) -> None:
    said = problem(
        tmp_path,
        labels=[],
        variants={'m3l': {'method': 'm3l', 'change': {'seed': 3}}},
        compare=[['m3l', 'cps']],
    )
    assert said.endswith(
        'variants.m3l: is the name of a method, choose another; '
        'variants.m3l.change.seed: is set by the grid, remove it; '
        "compare: 'cps' is neither among methods nor variants; "
        'labels: must name at least one.'
    )


@pytest.mark.parametrize(
    ('changes', 'expected'),
    [
        ({'seeds': [0, 1, 0]}, 'seeds: must not name 0 twice'),
        ({'methods': ['m3l', 'm3l']}, 'methods: must not name m3l twice'),
        ({'missing': [{}, {'replacement': 'token'}]}, 'must not name token, ensemble twice'),
        ({'variants': {'v': {'method': 'm3l', 'seeds': []}}}, 'variants.v.seeds: must name at'),
        ({'variants': {'cps': {'method': 'm3l'}}}, 'variants.cps: is the name of a method'),
        ({'compare': [['m3l', 'm3l']]}, "compare: 'm3l' is compared with itself"),
    ],
)
def test_what_would_mislead_or_run_twice_is_refused(
    tmp_path: Path, changes: dict[str, object], expected: str
) -> None:
    assert expected in problem(tmp_path, **changes)


@pytest.mark.parametrize(
    ('names', 'expected'),
    [
        ('{method}_{seed}', "names: '{method}_{seed}' gives m3l_0, m3l_plus_0, m3l_1, m3l_plus_1"),
        ('{methods}', "names: '{methods}' cannot be filled in: 'methods'."),
    ],
)
def test_names_must_tell_runs_apart(tmp_path: Path, names: str, expected: str) -> None:
    assert expected in problem(tmp_path, names=names)


@pytest.mark.parametrize('path', sorted((ROOT / 'config/benchmark').glob('*.yaml')), ids=str)
def test_grids_that_come_with_the_package_can_be_run(path: Path) -> None:
    found, runs = load_grid(path)
    assert len({run.seed for run in runs}) >= 3
    assert found.compare
