"""Scores as pictures: by label count, and condition by condition."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import NullLocator

from m3l_core.benchmark.results import mean_of, of_method
from m3l_core.files import write_atomically
from m3l_core.metrics import CONDITIONS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from m3l_core.benchmark.results import Result

_CONDITIONS = (*CONDITIONS, 'mm_robust')


def plot(results: Sequence[Result], out: Path) -> list[str]:
    """Draw what is finished into PNG files in `out`; return their names, none without scores."""
    finished = [result for result in results if result.counts is not None]
    if not finished:
        return []
    methods = list(dict.fromkeys(result.run.method for result in finished))
    labels = sorted({result.run.labels for result in finished})
    pictures = {'conditions.png': _conditions(finished, methods, labels)}
    if len(labels) > 1:  # a line needs two points
        pictures = {'mm_robust.png': _by_labels(finished, methods, labels), **pictures}
    for name, figure in pictures.items():
        file = io.BytesIO()
        figure.savefig(file, format='png')
        write_atomically(out / name, file.getvalue())
    return list(pictures)


def _by_labels(results: Sequence[Result], methods: Sequence[str], labels: Sequence[int]) -> Figure:
    """Return MM-Robust over label counts: a line through the means, a dot for each seed."""
    figure = Figure(figsize=(7, 4.5), dpi=120, layout='constrained')
    axes = figure.subplots()
    for index, method in enumerate(methods):
        found = {count: list(of_method(results, method, count).values()) for count in labels}
        found = {count: of_seeds for count, of_seeds in found.items() if of_seeds}
        means = [mean_of(of_seeds, 'mm_robust') for of_seeds in found.values()]
        axes.plot(list(found), means, color=f'C{index}')
        dots = [
            (count, result.scores['mm_robust'])
            for count, of_seeds in found.items()
            for result in of_seeds
        ]
        counts, scores = zip(*dots, strict=True)
        beside = 1 + 0.01 * (index - (len(methods) - 1) / 2)  # not to hide one another
        axes.scatter([beside * count for count in counts], scores, color=f'C{index}', s=18)
    axes.set_xscale('log')
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(list(labels), [str(count) for count in labels])
    axes.set_xlabel('labeled images')
    _finish(axes)
    _tell_colors(figure, results, methods)
    return figure


def _conditions(
    results: Sequence[Result], methods: Sequence[str], labels: Sequence[int]
) -> Figure:
    """Return a row of bars for each label count: means by condition, a dot for each seed."""
    figure = Figure(figsize=(8, 1 + 3.2 * len(labels)), dpi=120, layout='constrained')
    rows = figure.subplots(len(labels), squeeze=False, sharey=True)[:, 0]
    for axes, count in zip(rows, labels, strict=True):
        _bars(axes, results, methods, count)
        axes.set_title(f'{count} labeled images')
        _finish(axes)
    _tell_colors(figure, results, methods)
    return figure


def _bars(axes: Axes, results: Sequence[Result], methods: Sequence[str], labels: int) -> None:
    width = 0.8 / len(methods)
    for index, method in enumerate(methods):
        found = list(of_method(results, method, labels).values())
        if not found:
            continue
        places = [place + width * (index + 0.5) - 0.4 for place in range(len(_CONDITIONS))]
        means = [mean_of(found, name) for name in _CONDITIONS]
        axes.bar(places, means, 0.9 * width, color=f'C{index}', alpha=0.6)
        for result in found:
            of_seed = [result.scores[name] for name in _CONDITIONS]
            axes.scatter(places, of_seed, color=f'C{index}', s=14, zorder=3)
    names = [*(name.replace('_', ' ').replace('rgb', 'RGB') for name in CONDITIONS), 'MM-Robust']
    axes.set_xticks(range(len(_CONDITIONS)), names)


def _finish(axes: Axes) -> None:
    axes.set_ylabel('mIoU in %' if axes.get_title() else 'MM-Robust in %')
    axes.grid(axis='y', alpha=0.3)
    axes.set_axisbelow(True)


def _tell_colors(figure: Figure, results: Sequence[Result], methods: Sequence[str]) -> None:
    """Name the methods below the picture, where no bar is in the way."""
    names = _with_seeds(results, methods)
    handles = [Patch(color=f'C{index}', label=name) for index, name in enumerate(names)]
    columns = 4 if names == list(methods) else 2
    figure.legend(handles=handles, loc='outside lower center', ncols=columns, frameon=False)


def _with_seeds(results: Sequence[Result], methods: Sequence[str]) -> list[str]:
    """Return what to call the methods: means over other seeds are not to be held together."""
    seeds = {m: {result.run.seed for result in results if result.run.method == m} for m in methods}
    if all(of_one == seeds[methods[0]] for of_one in seeds.values()):
        return list(methods)
    return [f'{m} (seed {", ".join(map(str, sorted(of_one)))})' for m, of_one in seeds.items()]
