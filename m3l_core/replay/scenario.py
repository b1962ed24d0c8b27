"""Scenarios: what happens to the images of a bag, and what must be true of the labels then."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
import math
from pathlib import Path
from typing import Any, get_args, Literal

from m3l_core.config import from_mapping, load_yaml
from m3l_core.errors import ConfigError
from m3l_core.replay.conditions import Limits, ModeName

Kind = Literal[
    'drop', 'delay', 'jitter', 'freeze', 'blacken', 'noise', 'holes', 'clock_shift', 'reorder'
]
KINDS: tuple[Kind, ...] = get_args(Kind)

Target = Literal['rgb', 'depth']

_DEFAULT_MS: dict[str, float] = {'delay': 100.0, 'jitter': 40.0, 'clock_shift': 50.0}
_DEFAULT_AMOUNT: dict[str, float] = {'noise': 1.0, 'holes': 0.3}

_AT_LEAST = {0: 'at least 0', -math.inf: 'a number'}

_SHARED_FOLDER = Path('share', 'm3l_perception')


@dataclass(frozen=True, kw_only=True)
class FaultConfig:
    """One fault of one stream from `start` to just before `end`, by the time of receipt.

    Raises:
        ConfigError: Naming every value that makes no sense.
    """

    kind: Kind
    modality: Target
    start_s: float | None = None
    """Seconds after the first image."""
    end_s: float | None = None
    start_share: float | None = None
    """The same as a share of the bag, 0 to 1. Without any start or end: all of the bag."""
    end_share: float | None = None
    share: float = 1.0
    """Share of the images that are hit, each by chance."""
    ms: float | None = None
    """Of `delay` its length, of `jitter` the most, of `clock_shift` what is added to stamps."""
    amount: float | None = None
    """Of `noise` in a cheap sensor's (1.0), of `holes` the share of the image."""
    expect: ModeName | None = None
    """The mode that must follow; of `drop` and `blacken` it is that of the other stream."""

    def __post_init__(self) -> None:
        """Refuse what cannot be meant, all of it at once."""
        problems = []
        for end in ('start', 'end'):
            if None not in (getattr(self, f'{end}_s'), getattr(self, f'{end}_share')):
                problems.append(f'{end}_s and {end}_share: expected one of the two, got both')
        for unit in ('s', 'share'):
            start, end = getattr(self, f'start_{unit}'), getattr(self, f'end_{unit}')
            if start is not None and end is not None and start >= end:
                problems.append(f'end_{unit}: expected more than start_{unit}, got {end:g}')
        problems += [
            f'{name}: expected 0 to 1, got {value:g}'
            for name in ('start_share', 'end_share', 'share')
            if (value := getattr(self, name)) is not None and not 0 <= value <= 1
        ]
        problems += [
            f'{name}: expected 0 or more seconds after the first image, got {value:g}'
            for name in ('start_s', 'end_s')
            if (value := getattr(self, name)) is not None and not 0 <= value < math.inf
        ]
        problems += self._problems_of_kind()
        if problems:
            raise ConfigError('; '.join(problems) + '.')

    def _problems_of_kind(self) -> list[str]:
        problems = []
        for name, default in (('ms', _DEFAULT_MS), ('amount', _DEFAULT_AMOUNT)):
            value = getattr(self, name)
            if value is not None and self.kind not in default:
                problems.append(f'{name}: only {", ".join(default)} take it, not {self.kind}')
            least = -math.inf if self.kind == 'clock_shift' else 0
            if value is not None and not (least <= value and math.isfinite(value)):
                problems.append(f'{name}: expected {_AT_LEAST[least]}, got {value:g}')
        if self.kind == 'holes' and self.size_of_fault > 1:
            problems.append(f'amount: expected at most 1 for holes, got {self.amount:g}')
        return problems

    @property
    def size_of_fault(self) -> float:
        """`ms` or `amount`, whichever this kind has, with its default; 0 for the others."""
        if self.kind in _DEFAULT_MS:
            return _DEFAULT_MS[self.kind] if self.ms is None else self.ms
        return _DEFAULT_AMOUNT.get(self.kind, 0.0) if self.amount is None else self.amount


@dataclass(frozen=True, kw_only=True)
class OutagesConfig:
    """Faults at random times and of random lengths, the same for the same seed.

    Raises:
        ConfigError: If the numbers make no sense.
    """

    modality: Target
    kind: Kind = 'drop'
    per_minute: float = 10.0
    """How many of them on average."""
    shortest_s: float = 0.2
    longest_s: float = 2.0

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if not 0 < self.per_minute < math.inf:
            raise ConfigError(f'per_minute: expected more than 0, got {self.per_minute:g}.')
        if not 0 < self.shortest_s <= self.longest_s < math.inf:
            raise ConfigError(
                f'shortest_s, longest_s: expected 0 < shortest_s <= longest_s, got '
                f'{self.shortest_s:g} and {self.longest_s:g}.'
            )


@dataclass(frozen=True, kw_only=True)
class SweepConfig:
    """Every kind of fault on every stream, each in a run of its own."""

    kinds: tuple[Kind, ...] = KINDS
    modalities: tuple[Target, ...] = ('rgb', 'depth')
    start_share: float = 0.3
    end_share: float = 0.7

    def __post_init__(self) -> None:
        """Refuse a stretch of the bag that is none."""
        if not 0 <= self.start_share < self.end_share <= 1:
            raise ConfigError(
                'start_share, end_share: expected 0 <= start_share < end_share <= 1, got '
                f'{self.start_share:g} and {self.end_share:g}.'
            )


@dataclass(frozen=True, kw_only=True)
class ScenarioConfig:
    """What a scenario file may say."""

    about: str = ''
    seed: int = 0
    faults: tuple[FaultConfig, ...] = ()
    outages: tuple[OutagesConfig, ...] = ()
    sweep: SweepConfig | None = None
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        """Refuse what chance cannot be drawn from."""
        if self.seed < 0:
            raise ConfigError(f'seed: expected 0 or more, got {self.seed}.')


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What happens to a bag in one run.

    Attributes:
        name: That of its file.
        variant: Which run of a sweep it is, or ''.
        seed: What chance is drawn from.
        faults: At known times.
        outages: At random times.
        limits: What must be true of the run.
    """

    name: str = 'none'
    variant: str = ''
    seed: int = 0
    faults: tuple[FaultConfig, ...] = ()
    outages: tuple[OutagesConfig, ...] = ()
    limits: Limits = field(default_factory=Limits)

    @property
    def title(self) -> str:
        """Name and variant, as a folder may be called."""
        return f'{self.name}.{self.variant}' if self.variant else self.name


def load_scenario(given: str, seed: int | None = None) -> tuple[Scenario, ...]:
    """Return the runs that a scenario asks for: one, or those of its sweep.

    Args:
        given: A YAML file, the name of a scenario that is shipped, or `none`.
        seed: Wins over that of the file.

    Raises:
        ConfigError: Naming every unknown key and refused value.
    """
    if given == 'none':
        return (Scenario(seed=seed or 0),)
    path = Path(given)
    if path.suffix not in ('.yaml', '.yml'):
        shipped = shipped_scenarios()
        if given not in shipped:
            raise ConfigError(
                f'--scenario: expected a YAML file or one of none, {", ".join(shipped)}, '
                f'got {given}.'
            )
        path = shipped[given]
    config = from_mapping(ScenarioConfig, _written(load_yaml(path)), str(path))
    plain = Scenario(
        name=path.stem,
        seed=config.seed if seed is None else seed,
        faults=config.faults,
        outages=config.outages,
        limits=config.limits,
    )
    return (plain,) if config.sweep is None else _swept(plain, config.sweep)


def _swept(plain: Scenario, sweep: SweepConfig) -> tuple[Scenario, ...]:
    """Return a run for each kind of fault of each stream."""
    swept = [
        FaultConfig(
            kind=kind,
            modality=modality,
            start_share=sweep.start_share,
            end_share=sweep.end_share,
        )
        for modality in sweep.modalities
        for kind in sweep.kinds
    ]
    return tuple(
        replace(plain, variant=f'{fault.modality}_{fault.kind}', faults=(*plain.faults, fault))
        for fault in swept
    )


def shipped_scenarios() -> dict[str, Path]:
    """Return the files of the scenarios that come with the package, by name."""
    package = Path(__file__).parents[1]
    homes = {package.parent, package.resolve().parent}
    places = [home / 'config' for home in homes]
    places += [up / _SHARED_FOLDER / 'config' for home in homes for up in (home, *home.parents)]
    for place in places:
        found = sorted((place / 'replay').glob('*.yaml'))
        if found:
            return {path.stem: path for path in found}
    return {}


def _written(values: dict[str, Any]) -> dict[str, Any]:
    """Take a list that is written but empty (`faults:`) for none."""
    return {key: value for key, value in values.items() if value is not None}
