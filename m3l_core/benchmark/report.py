"""A benchmark as a page to read, a table to compute with, and a line of JSON for each run."""

from __future__ import annotations

import csv
import io
import json
from typing import Any, TYPE_CHECKING

from m3l_core.benchmark.comparing import bracket, compare, LEAST_SEEDS
from m3l_core.benchmark.results import EXPECTED, mean_of, of_method
from m3l_core.files import write_atomically
from m3l_core.metrics import CONDITIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from m3l_core.benchmark.comparing import Comparison
    from m3l_core.benchmark.grid import Grid
    from m3l_core.benchmark.results import Result

_CONDITIONS = tuple(CONDITIONS)

_COLUMNS = {
    'both': 'both',
    'depth_missing': 'depth missing',
    'rgb_missing': 'RGB missing',
    'mm_robust': 'MM-Robust',
    **{name: f'E({name.removeprefix("expected_")})' for name in EXPECTED},
}
"""Scores and their headings."""


def write_report(
    out: Path,
    title: str,
    grid: Grid,
    results: Sequence[Result],
    split: str,
    plots: Sequence[str] = (),
) -> list[Comparison]:
    """Write `table.md`, `table.csv` and `runs.jsonl`, each whole or not at all.

    Args:
        out: The folder of the benchmark.
        title: Its name.
        grid: What is compared.
        results: Of all runs.
        split: What was scored.
        plots: Names of pictures in `out` to show.

    Returns:
        The comparisons that are in it.
    """
    rows = [result.row(split) for result in results]
    comparisons = compare(grid, [result.run for result in results], results)
    write_atomically(out / 'runs.jsonl', ''.join(f'{json.dumps(r)}\n' for r in rows).encode())
    write_atomically(out / 'table.csv', _csv(rows).encode())
    parts = [
        f'# {title}',
        *_about(results, split),
        *_said(comparisons),
        *(f'![{name}]({name})' for name in plots),
        *_methods(results),
        *_gains(comparisons),
        *_runs(rows),
        *_notes(grid, rows, comparisons),
    ]
    write_atomically(out / 'table.md', ('\n\n'.join(parts) + '\n').encode())
    return comparisons


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row if name != 'config'))
    names.append('config')
    file = io.StringIO()
    writer = csv.DictWriter(file, names, lineterminator='\n')
    writer.writeheader()
    for row in rows:
        writer.writerow(row | {'config': json.dumps(row['config'])})
    return file.getvalue()


def _about(results: Sequence[Result], split: str) -> list[str]:
    """Return how far the grid is, and under which conditions its numbers hold."""
    finished = [result for result in results if result.counts is not None]
    parts = [f'{len(finished)} of {len(results)} runs are finished.']
    if not finished:
        return parts
    images = max(len(result.counts.ids) for result in finished if result.counts)
    floor = max((result.floor for result in finished if result.floor is not None), default=None)
    configs = [result.run.config for result in finished]
    trained = _each(_size(phase.size) for config in configs for phase in config.phases)
    inputs = _each(_size(config.network_size) for config in configs)
    starts = _each(result.began_with.get('weights', 'unknown') for result in finished)
    sentences = [
        f'mIoU in % on the {images} images of {split}, at the size of their labels, of the '
        'averaged weights after the last step.',
        '' if floor is None else f'A network that looks at nothing: {floor:.1f}.',
        f'Trained at {trained}, run at {inputs}, started from {starts}.',
        _missing(finished),
    ]
    if split == 'test':
        looks = max(result.test_scored for result in finished)
        sentences.append(f'Scored on test so far: {"once" if looks == 1 else f"{looks} times"}.')
    return [*parts, ' '.join(filter(None, sentences))]


def _missing(results: Sequence[Result]) -> str:
    """Return what a missing image was taken for."""
    conventions = {result.run.method: str(result.convention) for result in results}
    if len(set(conventions.values())) == 1:
        return results[0].convention.describe()
    return 'Missing image and prediction, the best on val for each: {}.'.format(
        '; '.join(f'{method}: {text}' for method, text in conventions.items())
    )


def _each(texts: Iterable[str]) -> str:
    return ', '.join(dict.fromkeys(texts))


def _said(comparisons: Sequence[Comparison]) -> list[str]:
    lines = [f'- {comparison.sentence()}' for comparison in comparisons if comparison.headline]
    return ['\n'.join(lines)] if lines else []


def _methods(results: Sequence[Result]) -> list[str]:
    rows = []
    for method, labels in dict.fromkeys((r.run.method, r.run.labels) for r in results):
        by_seed = of_method(results, method, labels)
        if not by_seed:
            continue
        found, seeds = list(by_seed.values()), ', '.join(map(str, sorted(by_seed)))
        of_seeds = [result.scores['mm_robust'] for result in found]
        scores = {name: f'{mean_of(found, name):.1f}' for name in _COLUMNS}
        scores['mm_robust'] += f' ({min(of_seeds):.1f} to {max(of_seeds):.1f})'
        cost = (_mean_of_training(found, 'pairs', '.0f'), _mean_of_training(found, 'hours', '.2f'))
        rows.append([method, labels, seeds, *scores.values(), *cost])
    if not rows:
        return []
    heads = ['method', 'labels', 'seeds', *_COLUMNS.values(), 'pairs', 'hours']
    return ['## Methods: means over the seeds', _table(heads, rows, texts=1)]


def _gains(comparisons: Sequence[Comparison]) -> list[str]:
    rows = []
    for one in comparisons:
        gains = [
            f'{one.gains[name].gain:+.1f} {bracket(one.gains[name].interval)}'
            for name in (*_CONDITIONS, 'mm_robust')
        ]
        interval = one.paired.t_interval
        of_seeds = ', '.join(f'{gain:+.1f}' for gain in one.paired.of_seeds)
        by_t = 'one seed' if interval is None else bracket(interval)
        rows.append([f'{one.ours} over {one.theirs}', one.labels, *gains, of_seeds, by_t])
    if not rows:
        return []
    columns = [_COLUMNS[name] for name in (*_CONDITIONS, 'mm_robust')]
    heads = ['gain in points', 'labels', *columns, 'MM-Robust by seed', "Student's t"]
    return ['## Gains, paired', _table(heads, rows, texts=1)]


def _runs(runs: Sequence[dict[str, Any]]) -> list[str]:
    rows = []
    for row in runs:
        scores = [f'{row[name]:.1f}' if name in row else '' for name in _COLUMNS]
        cost = [
            '' if row[k] is None else str(row[k]) for k in ('pairs', 'hours', 'code', 'device')
        ]
        rows.append([row['run'], row['labels'], row['seed'], *scores, *cost, row['status']])
    heads = ['run', 'labels', 'seed', *_COLUMNS.values(), 'pairs', 'hours', 'code', 'device', '']
    return ['## Runs', _table(heads, rows, texts=1)]


def _notes(
    grid: Grid, runs: Sequence[dict[str, Any]], comparisons: Sequence[Comparison]
) -> list[str]:
    notes = [
        'MM-Robust is the mean of the three conditions; E(p) is the mIoU to expect if each '
        'modality fails with probability p. Pairs count a forward pass alone as a quarter. Each '
        'run lies in `runs/`, its configuration in `config.yaml` there.'
    ]
    if len({row['code'] for row in runs if row['code']}) > 1:
        notes.append('Not all runs were trained by the same state of the code: see there.')
    if comparisons:
        notes.append(
            'Brackets are 95 % intervals of the gain: seeds are drawn again, then scenes, the '
            'same for both methods. '
            + _few(min(len(one.seeds) for one in comparisons), len(grid.seeds))
        )
    return notes


def _few(seeds: int, planned: int) -> str:
    number = 'one seed' if seeds == 1 else f'{seeds} seeds'
    of_planned = '' if seeds == planned else f' of {planned}'
    narrow = f'With {number}{of_planned} these are too narrow for what other seeds would give'
    if seeds > LEAST_SEEDS:
        return f"{narrow}, of which Student's t tells."
    return (
        narrow
        + (', where t = 4.3' if seeds == 3 else '')
        + ': a difference of less than about 2 points is not established.'
    )


def _mean_of_training(results: Sequence[Result], key: str, form: str) -> str:
    values = [result.training[key] for result in results if key in result.training]
    return format(sum(values) / len(values), form) if values else ''


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]], *, texts: int) -> str:
    """Return a Markdown table whose first `texts` columns are flush left, the others right."""
    rules = ['---'] * texts + ['---:'] * (len(heads) - texts)
    cells = [str(cell).replace('|', '\\|') for row in rows for cell in row]
    width = len(heads)
    lines = [cells[i : i + width] for i in range(0, len(cells), width)]
    return '\n'.join(f'| {" | ".join(line)} |' for line in (heads, rules, *lines))


def _size(size: tuple[int, int]) -> str:
    return f'{size[0]}x{size[1]}'
