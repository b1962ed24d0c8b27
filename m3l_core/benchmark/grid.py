"""Which runs a benchmark is made of: a YAML file, expanded into training configurations."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, TYPE_CHECKING

from m3l_core.config import from_mapping, load_yaml
from m3l_core.errors import ConfigError
from m3l_core.evaluate.conventions import Convention, DEPLOYED
from m3l_core.train.config import TrainConfig
from m3l_core.train.methods import MethodName, METHODS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_SET_BY_GRID = ('name', 'method', 'labels', 'seed')
"""Keys of a training configuration that `base` and `change` leave to the grid."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A method with some values changed, such as one switch off."""

    method: MethodName
    """What is changed, and what it is compared with if the grid has it too."""
    change: dict[str, object] = field(default_factory=dict)
    """What differs from `base`; of a mapping, the keys that differ."""
    labels: tuple[int, ...] | None = None
    """Label counts; None takes the grid's."""
    seeds: tuple[int, ...] | None = None
    """None takes the grid's."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Methods x label counts x seeds, and what is compared."""

    base: dict[str, object]
    """A training configuration without name, method, labels and seed."""
    methods: tuple[MethodName, ...]
    labels: tuple[int, ...]
    """How many images keep their labels."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """A seed is a subset of labels, a start and an order, the same for all methods."""
    variants: dict[str, Variant] = field(default_factory=dict)
    compare: tuple[tuple[str, str], ...] = ()
    """Pairs of methods or variants; the first one's gain over the second is told."""
    missing: tuple[Convention, ...] = (DEPLOYED,)
    """What a missing image may be; of several, each method is given its best on val."""
    names: str = '{method}_{labels}_{seed}'
    """Of the runs' folders and weights."""

    def __post_init__(self) -> None:
        problems = [
            f'base.{key}: is set by the grid, remove it'
            for key in _SET_BY_GRID
            if key in self.base
        ]
        for name, variant in self.variants.items():
            if name in self.methods or name in {*METHODS} - {variant.method}:
                problems.append(f'variants.{name}: is the name of a method, choose another')
            problems += [
                f'variants.{name}.change.{key}: is set by the grid, remove it'
                for key in _SET_BY_GRID
                if key in variant.change
            ]
            for key, values in (('labels', variant.labels), ('seeds', variant.seeds)):
                problems += _list_problems(f'variants.{name}.{key}', values)
        problems += self._compare_problems()
        for key in ('methods', 'labels', 'seeds', 'missing'):
            problems += _list_problems(key, getattr(self, key))
        if problems:
            raise ConfigError(f'{"; ".join(problems)}.')

    def _compare_problems(self) -> list[str]:
        known = {*self.methods, *self.variants}
        unknown = [
            f'compare: {name!r} is neither among methods nor variants'
            for name in dict.fromkeys(name for pair in self.compare for name in pair)
            if name not in known
        ]
        alone = [
            f'compare: {ours!r} is compared with itself'
            for ours, theirs in self.compare
            if ours == theirs
        ]
        return unknown + alone

    @property
    def comparisons(self) -> tuple[tuple[str, str], ...]:
        """The pairs to compare: those asked for, and each variant with what it changes."""
        changed = [
            (name, variant.method)
            for name, variant in self.variants.items()
            if variant.method in self.methods and (variant.method, name) not in self.compare
        ]
        return tuple(dict.fromkeys((*self.compare, *changed)))


@dataclass(frozen=True)
class Run:
    """One training run of a grid.

    Attributes:
        name: Of its folder and weights.
        method: The method or the variant.
        labels: How many images keep their labels.
        seed: Which ones, and start and order.
        config: What is trained.
    """

    name: str
    method: str
    labels: int
    seed: int
    config: TrainConfig

    @property
    def pairs(self) -> int:
        """Pairs that it trains on, a forward alone counting a quarter."""
        return self.config.pairs_until(self.config.steps)


def _list_problems(key: str, values: Sequence[object] | None) -> list[str]:
    """Return what is wrong with the values of one axis; None is one that is not given."""
    if values is None:
        return []
    twice = [str(value) for value, count in Counter(values).items() if count > 1]
    problems = [f'{key}: must not name {", ".join(twice)} twice'] if twice else []
    return problems if values else [f'{key}: must name at least one']


def load_grid(path: Path) -> tuple[Grid, tuple[Run, ...]]:
    """Return a grid and its runs, those that share labels and seed after one another.

    So what is finished can be compared, wherever a benchmark is stopped.

    Raises:
        ConfigError: Naming every key that is unknown, missing or of a wrong value.
    """
    grid = from_mapping(Grid, load_yaml(path), str(path))
    labels = list(dict.fromkeys((*grid.labels, *(run.labels for run in _runs_of(grid, path)))))
    runs = sorted(_runs_of(grid, path), key=lambda run: (labels.index(run.labels), run.seed))
    twice = [name for name, count in Counter(run.name for run in runs).items() if count > 1]
    if twice:
        raise ConfigError(
            f'{path}: names: {grid.names!r} gives {", ".join(twice)} to several runs. '
            'Use {method}, {labels} and {seed} in it.'
        )
    return grid, tuple(runs)


def _runs_of(grid: Grid, path: Path) -> Iterator[Run]:
    plain = {method: Variant(method=method) for method in grid.methods}
    for name, variant in (plain | grid.variants).items():
        for labels in variant.labels or grid.labels:
            for seed in variant.seeds or grid.seeds:
                yield _run(grid, name, variant, labels, seed, path)


def _run(grid: Grid, method: str, variant: Variant, labels: int, seed: int, path: Path) -> Run:
    try:
        name = grid.names.format(method=method, labels=labels, seed=seed)
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        raise ConfigError(
            f'{path}: names: {grid.names!r} cannot be filled in: {error}. '
            'Use {method}, {labels} and {seed} in it.'
        ) from error
    values = _merged(grid.base, variant.change) | {
        'name': name,
        'method': variant.method,
        'labels': labels,
        'seed': seed,
    }
    # What is wrong in `base` is wrong in every run; the first one to say so is enough.
    where = f'{path}: {f"variants.{method}" if method in grid.variants else "base"}'
    return Run(name, method, labels, seed, from_mapping(TrainConfig, values, where))


def _merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with the values of `change`, mappings in it key by key."""
    merged = dict(base)
    for key, value in change.items():
        nested = isinstance(value, dict) and isinstance(base.get(key, {}), dict)
        merged[key] = _merged(base.get(key, {}), value) if nested else value
    return merged
