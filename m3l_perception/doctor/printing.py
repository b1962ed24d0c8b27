"""The doctor's words, for a person or as JSON."""

from __future__ import annotations

from dataclasses import asdict
import json
import shutil
import textwrap
from typing import Any, TYPE_CHECKING

from m3l_perception.doctor.finding import Finding, Level
from m3l_perception.doctor.judging import can_label
from m3l_perception.doctor.pair import times_of

if TYPE_CHECKING:
    from m3l_perception.doctor.facts import Facts, Graph

_INDENT = ' ' * 17
_WIDEST = 100

_COLORS = {Level.OK: '32', Level.NOTE: '36', Level.WARN: '33', Level.STOP: '1;31'}


def as_text(findings: list[Finding], *, color: bool) -> str:
    """Return the findings as lines that fit the terminal."""
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    lines = [line for finding in findings for line in _lines(finding, width, color=color)]
    return '\n'.join([*lines, '', _summary(findings)])


def as_json(facts: Facts, findings: list[Finding]) -> str:
    """Return facts and findings as one JSON object; rates and skews instead of all stamps."""
    graph = facts.graph
    content = {
        'can_label': can_label(findings),
        'findings': [{**asdict(finding), 'level': finding.level.value} for finding in findings],
        'computer': asdict(facts.computer),
        'graph': None if graph is None else _graph(graph),
    }
    return json.dumps(content, indent=2)


def _lines(finding: Finding, width: int, *, color: bool) -> list[str]:
    level = f'{finding.level.value:<5}'
    shown = f'\033[{_COLORS[finding.level]}m{level}\033[0m' if color else level
    # Wrapped without the level, whose color codes have no width.
    first, *rest = _wrapped(finding.what, width)
    lines = [f'  {shown} {finding.where:<9}{first}', *(_INDENT + line for line in rest)]
    if finding.remedy:
        lines += [_INDENT + line for line in _wrapped(f'-> {finding.remedy}', width)]
    return lines


def _wrapped(text: str, width: int) -> list[str]:
    # Paths and commands are to be copied, so they stay whole.
    return textwrap.wrap(
        text,
        max(width - len(_INDENT), 20),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _summary(findings: list[Finding]) -> str:
    stops = [finding for finding in findings if finding.level is Level.STOP]
    if not stops:
        return 'Labels can come.'
    places = ', '.join(dict.fromkeys(finding.where for finding in stops))
    return f'No labels can come before this is mended: {places}.'


def _graph(graph: Graph) -> dict[str, Any]:
    content = asdict(graph)
    for name, topic in (('rgb', graph.rgb), ('depth', graph.depth)):
        if topic is not None:
            heard = content[name]['heard']
            heard['images'] = len(heard.pop('stamps_ns'))
            del heard['arrivals_ns']
            heard['rate_hz'] = round(topic.heard.rate_hz, 2)
    times = times_of(graph)
    content['together'] = asdict(times) if times else None
    return content
