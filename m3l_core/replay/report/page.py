"""The report as one HTML file that needs no other file and no network."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from typing import Any, TYPE_CHECKING

from m3l_core.files import write_atomically
from m3l_core.replay.report import sections
from m3l_core.replay.report.loading import load, RunView
from m3l_core.replay.report.timeline import timeline, viewer
from m3l_core.replay.report.words import percent, run_name, seconds

if TYPE_CHECKING:
    from pathlib import Path

_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
)
"""What a browser may load for the page: nothing but what is in it."""


def write_report(path: Path, out: Path) -> None:
    """Write the report of a replay as one HTML file.

    Args:
        path: The file.
        out: Folder of the replay.

    Raises:
        DataError: If a file of the replay is missing or damaged.
        M3lError: If the report cannot be written.
    """
    summary, views = load(out)
    write_atomically(path, _page(summary, views).encode())


def _page(summary: dict[str, Any], views: list[RunView]) -> str:
    runs = summary['runs']
    title = f'Replay of {run_name(runs[0])}' if len(runs) == 1 else f'Replay: {len(runs)} runs'
    body = ''.join(_run(view, index, opened=index == 0) for index, view in enumerate(views))
    own = files('m3l_core.replay.report')
    style = (own / 'page.css').read_text(encoding='utf-8')
    script = (own / 'page.js').read_text(encoding='utf-8')
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,">'
        f'<title>{escape(title)}</title><style>{style}</style></head><body>'
        f'<header><h1>{escape(title)}</h1>{_verdict(summary)}</header>'
        f'<main>{_overview(summary, views)}{body}</main>'
        f'<script>{script}</script></body></html>\n'
    )


def _verdict(summary: dict[str, Any]) -> str:
    """Return whether all that was asked was met, and which bags failed."""
    asked = [condition for run in summary['runs'] for condition in run['conditions']]
    lines = []
    if asked:
        unmet = sum(not condition['passed'] for condition in asked)
        lines.append(
            f'<p class="bad">FAILED: {unmet} of {len(asked)} conditions are not met.</p>'
            if unmet
            else f'<p class="good">Passed: all {len(asked)} conditions are met.</p>'
        )
    lines += [
        f'<p><span class="bad">FAILED</span> {escape(bag)}: {escape(problem)}</p>'
        for bag, problem in summary['failed'].items()
    ]
    return ''.join(lines)


def _overview(summary: dict[str, Any], views: list[RunView]) -> str:
    """Return all runs in one table, and their scores together; '' for a single run."""
    runs = summary['runs']
    if len(runs) < 2:
        return ''
    shown = [view.summary for view in views]
    rows = [
        _outcome(run, f'<a href="#run-{index}">{escape(run_name(run))}</a>')
        for index, run in enumerate(shown)
    ]
    linked = {id(run) for run in shown}
    rows += [_outcome(run, escape(run_name(run))) for run in runs if id(run) not in linked]
    columns = ['run', 'masks', 'longest time without labels', 'latency 99 %', 'mIoU', '']
    merged = summary.get('merged') or {}
    together = ''
    if merged.get('truth') or merged.get('compared'):
        together = (
            '<details class="all"><summary><h2>All runs together</h2></summary>'
            f'{sections.scores(merged)}</details>'
        )
    rest = ''
    if len(runs) > len(shown):
        rest = (
            f'<p class="small quiet">{len(shown)} of {len(runs)} runs follow, those first that '
            'did not pass.</p>'
        )
    return f'<h3>Runs</h3>{sections.table("", columns, rows)}{rest}{together}'


def _outcome(run: dict[str, Any], name: str) -> list[str]:
    """Return the row of a run among others."""
    verdict = ''
    if run['conditions']:
        verdict = (
            '<span class="good">passed</span>'
            if run['passed']
            else '<span class="bad">FAILED</span>'
        )
    p99_ms = run['latency']['p99_ms']
    return [
        name,
        str(run['frames']),
        seconds(run['longest_gap_s']),
        seconds(None if p99_ms is None else p99_ms / 1000),
        percent(((run['truth'] or {}).get('overall') or {}).get('miou')),
        verdict,
    ]


def _run(view: RunView, index: int, *, opened: bool) -> str:
    run = view.summary
    drops = [
        f'{number} of {modality} {reason.replace("_", " ")}'
        for modality, reasons in run['drops'].items()
        for reason, number in reasons.items()
    ]
    return (
        f'<details class="run" id="run-{index}"{" open" if opened else ""}>'
        f'<summary><h2>{escape(run_name(run))}</h2></summary>'
        f'{_about(run)}{sections.tiles(run)}{sections.conditions(run)}'
        f'{"".join(_warning(text) for text in run["warnings"])}'
        f'<h3>Timeline</h3>{timeline(view)}{viewer(view)}{sections.legend(view)}'
        '<p class="small quiet">Depth: red is near, blue 6 m or farther, black no reading. Labels '
        'without a class are black.</p>'
        f'{sections.faults(run)}<h3>Worst frames</h3>{sections.worst(view.worst)}'
        f'<h3>Scores</h3>{sections.scores(run)}'
        f'<h3>Latency</h3>{sections.latencies(run)}'
        f'<p class="small quiet">{run["images"]["rgb"]} RGB and {run["images"]["depth"]} depth '
        f'images came in. Not labeled: {escape(", ".join(drops)) or "none"}.</p>'
        '</details>'
    )


def _about(run: dict[str, Any]) -> str:
    topics = ', '.join(f'{name} {topic}' for name, topic in run['topics'].items() if topic)
    return (
        f'<p class="small quiet">{escape(run["model"])}, {escape(run["backend"])} '
        f'{escape(run["precision"])}; {run["duration_s"]:.1f} s, {escape(run["timing"])}, '
        f'seed {run["seed"]}; {escape(topics)}</p>'
    )


def _warning(text: str) -> str:
    return f'<p class="small"><span class="bad">warning</span> {escape(text)}</p>'
