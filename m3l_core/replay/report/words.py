"""How values of a replay are called and written."""

from __future__ import annotations

from typing import Any

MODE_NAMES = {
    'RGBD': 'RGB-D',
    'RGB_ONLY': 'RGB only',
    'DEPTH_ONLY': 'depth only',
    'NO_INPUT': 'no input',
}
USED_NAMES = {'rgbd': 'RGB and depth', 'rgb': 'RGB alone', 'depth': 'depth alone'}
NONE = '-'


def run_name(run: dict[str, Any]) -> str:
    """Return what a run is called: its bag, and its scenario if it has one."""
    scenario = '.'.join(part for part in (run['scenario'], run['variant']) if part)
    return f'{run["bag"]}, {scenario}' if scenario else str(run['bag'])


def seconds(value: float | None) -> str:
    """Return a time, short ones in milliseconds."""
    if value is None:
        return NONE
    return f'{1000 * value:.0f} ms' if abs(value) < 1 else f'{value:.2f} s'


def percent(value: float | None) -> str:
    """Return a share that is given in percent."""
    return NONE if value is None else f'{value:.1f} %'
