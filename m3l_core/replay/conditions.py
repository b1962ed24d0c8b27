"""Whether a run passes: what was asked of it beside what it gave."""

from __future__ import annotations

from dataclasses import dataclass, field
import math
from typing import Any, get_args, Literal

from m3l_core.errors import ConfigError

ModeName = Literal['RGBD', 'RGB_ONLY', 'DEPTH_ONLY', 'NO_INPUT']

SCORE_NAMES = ('overall', 'rgbd', 'rgb', 'depth', *get_args(ModeName)[:3])
"""What mIoU may be asked of: all masks, those made of these images, those of this mode."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What must be true for a run to pass; None asks nothing.

    Raises:
        ConfigError: If mIoU is asked of something unknown, or a limit cannot be meant.
    """

    longest_gap_s: float | None = None
    """Longest time without a label."""
    latency_ms: float | None = None
    """99th percentile of the time from an image to its label."""
    switch_s: float | None = None
    """Longest time from the start of a fault to the mode that must follow."""
    mean_iou: dict[str, float] = field(default_factory=dict)
    """Least mIoU in percent of `overall`, of masks from `rgbd`, `rgb`, `depth`, or of a mode."""

    def __post_init__(self) -> None:
        """Refuse names that no score has, and limits that nothing or everything keeps."""
        problems = [
            f'{name}: expected 0 or more, got {value:g}'
            for name in ('longest_gap_s', 'latency_ms', 'switch_s')
            if (value := getattr(self, name)) is not None and not 0 <= value < math.inf
        ]
        problems += [
            f'mean_iou.{name}: expected 0 to 100, got {value:g}'
            for name, value in self.mean_iou.items()
            if not 0 <= value <= 100
        ]
        unknown = [name for name in self.mean_iou if name not in SCORE_NAMES]
        if unknown:
            known = ', '.join(SCORE_NAMES)
            problems.append(f'mean_iou: expected keys among {known}, got {", ".join(unknown)}')
        if problems:
            raise ConfigError(f'{"; ".join(problems)}.')


def checked(limits: Limits, summary: dict[str, Any]) -> dict[str, Any]:
    """Return `conditions`, one entry for each limit, and whether all `passed`.

    A limit on something that was not measured is not kept: a test that looked at nothing must
    not pass. Nor does a run without a mask.

    Args:
        limits: What is asked.
        summary: What was measured in the run.
    """
    conditions = []
    if limits.longest_gap_s is not None:
        conditions.append(
            _at_most('longest gap', limits.longest_gap_s, summary['longest_gap_s'], 's')
        )
    if limits.latency_ms is not None:
        p99_ms = summary['latency']['p99_ms']
        conditions.append(_at_most('latency p99', limits.latency_ms, p99_ms, 'ms'))
    if limits.switch_s is not None:
        conditions += _switches(limits.switch_s, summary['faults'])
    conditions += [
        _mean_iou(name, least, summary['truth']) for name, least in limits.mean_iou.items()
    ]
    if not summary['frames']:
        conditions.append({'name': 'masks', 'limit': '>= 1', 'got': '0', 'passed': False})
    return {'conditions': conditions, 'passed': all(c['passed'] for c in conditions)}


def _switches(limit_s: float, faults: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a condition for each fault after which a mode must follow, or one that fails."""
    found = [
        _at_most(f'switch to {fault["expected_mode"]}', limit_s, fault['switch_s'], 's')
        for fault in faults
        if fault['expected_mode'] is not None
    ]
    if found:
        return found
    nothing = _at_most('switch', limit_s, None, 's')
    return [nothing | {'got': 'no fault that a mode must follow'}]


def _at_most(name: str, limit: float, got: float | None, unit: str) -> dict[str, Any]:
    return {
        'name': name,
        'limit': f'<= {limit:g} {unit}',
        'got': 'never' if got is None else f'{got:.3g} {unit}',
        'passed': got is not None and got <= limit,
    }


def _mean_iou(name: str, least: float, truth: dict[str, Any] | None) -> dict[str, Any]:
    score = None
    if truth is not None:
        groups = {'overall': truth['overall'], **truth['by_used'], **truth['by_mode']}
        score = groups.get(name)
    got = None if score is None else score['miou']
    return {
        'name': f'mIoU {name}',
        'limit': f'>= {least:g} %',
        'got': 'no truth' if got is None else f'{got:.2f} %',
        'passed': got is not None and got >= least,
    }
