"""Whether a run passes: what was asked of it beside what it gave."""

from __future__ import annotations

from typing import Any, TYPE_CHECKING

if TYPE_CHECKING:
    from m3l_core.replay.scenario import Limits


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
        'got': 'never' if got is None else f'{got:g} {unit}',
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
