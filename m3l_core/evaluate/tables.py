"""An evaluation as tables for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from m3l_core.data.scenes import images_of_scenes
from m3l_core.evaluate.conventions import best_convention
from m3l_core.evaluate.paired import paired_interval
from m3l_core.evaluate.scoring import AS_RECORDED, WELL_KNOWN
from m3l_core.metrics import CONDITIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from m3l_core.evaluate.conventions import Convention
    from m3l_core.evaluate.image_counts import ImageCounts
    from m3l_core.evaluate.intervals import Interval
    from m3l_core.evaluate.scoring import Evaluation, Robustness

_ABOUT_CORRUPTIONS = (
    'RMM: share of the normalized values set to 0. NM: share of salt and pepper + deviation of '
    'Gaussian noise; the noise is added first, then salt and pepper are put in, which are the '
    'extremes of the image without noise.'
)


def print_tables(
    results: Mapping[str, Evaluation],
    title: str,
    *,
    floor: float | None,
    min_confidence: float,
    convention: Convention,
    robustness: Robustness,
) -> None:
    """Print the classes, the summary, and the further tables if there is something in them.

    Args:
        results: From `evaluate`.
        title: What was scored.
        floor: MIoU in percent of a network that looks at nothing, None if unknown.
        min_confidence: For coverage and accuracy.
        convention: What a missing image was in `results`.
        robustness: What else was scored.
    """
    result = results[AS_RECORDED]
    console = Console()
    console.print(_classes(result, title))
    console.print(_confidence(result, min_confidence))
    if len(results) > 1:
        console.print(_sensors(results))
    if robustness.conventions:
        console.print(_conventions(robustness))
    if robustness.corruptions:
        console.print(_corruptions(robustness, result))
        console.print(_ABOUT_CORRUPTIONS)
    below = 'no training labels to compute it from' if floor is None else f'{floor:.1f} %'
    console.print(
        f'MM-Robust {_scored(result.mm_robust, result.intervals.get("mm_robust"))} % over '
        f'{images_of_scenes(len(result.ids), len(set(result.scenes)))}.\n'
        f'{convention.describe()}\n'
        f'Expected mIoU if each modality fails with probability {_expected(result)}.\n'
        f'A network that looks at nothing: {below}.'
        + (' Brackets: 95 % interval over the scenes.' if result.intervals else '')
    )


def print_gain(ours: ImageCounts, theirs: ImageCounts, name: str) -> None:
    """Print how much better one model is than another, the one of the counts `name`."""
    table = _table(f'gain over {name}, in points of mIoU', '', 'gain', '95 % interval')
    for condition, paired in paired_interval([ours], [theirs]).items():
        ends = 'one scene only' if paired.interval is None else '{:+.1f} to {:+.1f}'
        table.add_row(
            condition.replace('_', ' '), f'{paired.gain:+.1f}', ends.format(*paired.interval or ())
        )
    table.caption = 'over the scenes; what another seed would give is not in it'
    Console().print(table)


def _expected(result: Evaluation) -> str:
    return ', '.join(f'{p}: {value:.1f} %' for p, value in result.expected.items())


def _table(title: str, first: str, *columns: str, min_width: int | None = None) -> Table:
    table = Table(title=escape(title), min_width=min_width)
    table.add_column(first)
    for column in columns:
        table.add_column(column.replace('_', ' '), justify='right')
    return table


def _classes(result: Evaluation, title: str) -> Table:
    table = _table(f'{title}: IoU in %', 'class', *CONDITIONS)
    matrices = [result.scores[name].matrix for name in CONDITIONS]
    columns = [matrix.iou() for matrix in matrices]
    for name, *values in zip(result.classes.names, *columns, strict=True):
        table.add_row(escape(name), *(f'{value:.1f}' for value in values))
    table.add_section()
    intervals = result.intervals
    table.add_row('mIoU', *(_scored(result.mean_iou[n], intervals.get(n)) for n in CONDITIONS))
    table.add_row(
        f'classes over {WELL_KNOWN:.0f} %',
        *(f'{(column > WELL_KNOWN).sum()} of {len(column)}' for column in columns),
    )
    table.add_row('pixel accuracy', *(f'{matrix.pixel_accuracy():.1f}' for matrix in matrices))
    return table


def _confidence(result: Evaluation, min_confidence: float) -> Table:
    reliabilities = [result.scores[name].reliability for name in CONDITIONS]
    selected = [reliability.selected(min_confidence) for reliability in reliabilities]
    table = _table('confidence, in %', '', *CONDITIONS)
    errors = (reliability.expected_calibration_error() for reliability in reliabilities)
    table.add_row('calibration error (ECE)', *(f'{100 * error:.1f}' for error in errors))
    table.add_row(
        f'pixels at {min_confidence:g} or more', *(f'{100 * s.coverage:.1f}' for s in selected)
    )
    table.add_row('  of these right', *(f'{100 * s.accuracy:.1f}' for s in selected))
    return table


def _sensors(results: Mapping[str, Evaluation]) -> Table:
    table = _table('depth of other sensors: mIoU in %', 'sensor', *CONDITIONS, 'MM-Robust')
    for sensor, result in results.items():
        robust = _scored(result.mm_robust, result.intervals.get('mm_robust'))
        table.add_row(sensor, *(f'{result.mean_iou[name]:.1f}' for name in CONDITIONS), robust)
    return table


def _conventions(robustness: Robustness) -> Table:
    title = 'conventions of missing, plain network: mIoU in %'
    table = _table(title, 'image, prediction', *CONDITIONS, 'MM-Robust')
    best = best_convention(robustness.conventions)
    for convention, result in robustness.conventions.items():
        robust = _scored(result.mm_robust, result.intervals.get('mm_robust'))
        values = [f'{result.mean_iou[name]:.1f}' for name in CONDITIONS]
        style = 'bold' if convention == best else None
        table.add_row(str(convention), *values, robust, style=style)
    return table


def _corruptions(robustness: Robustness, result: Evaluation) -> Table:
    title = 'missing and noisy values, plain network: mIoU in %'
    table = _table(title, 'inputs', 'both', min_width=len(title))
    table.add_row('as recorded', f'{result.mean_iou["both"]:.1f}')
    for name, scores in robustness.corruptions.items():
        table.add_row(name, f'{scores.matrix.mean_iou():.1f}')
    return table


def _scored(value: float, interval: Interval | None) -> str:
    """Return a score with its interval, if it has one."""
    if interval is None:
        return f'{value:.1f}'
    return f'{value:.1f} \\[{interval[0]:.1f}, {interval[1]:.1f}]'
