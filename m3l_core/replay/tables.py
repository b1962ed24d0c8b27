"""What a replay found, for the terminal."""

from __future__ import annotations

from typing import Any, TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


_MOST_CONDITIONS = 40
"""Lines on them; a fault that comes again and again makes a condition each time."""


def print_summary(summary: dict[str, Any], console: Console) -> None:
    """Print a table of the runs, another of scores by what masks were made from, and conditions.

    Args:
        summary: From `merging.replay_summary`.
        console: Where to.
    """
    if summary['runs']:
        _print_topics(summary, console)
        _print_runs(summary, console)
        _print_scores(summary, console)
        _print_comparison(summary['merged']['compared'], console)
    _print_conditions(summary, console)


def _print_topics(summary: dict[str, Any], console: Console) -> None:
    """Print what was read of each bag: most of it was guessed."""
    topics = {run['bag']: run['topics'] for run in summary['runs']}
    for bag, of_bag in topics.items():
        console.print(
            f'{bag}: color {of_bag["rgb"]}, depth {of_bag["depth"]}, truth {of_bag["labels"]}',
            markup=False,
            highlight=False,
            soft_wrap=True,
        )


def _print_runs(summary: dict[str, Any], console: Console) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title='Runs', caption='masks from both images / RGB alone / depth alone')
    for name in ('bag', 'scenario'):
        table.add_column(name)
    columns = ('masks', 'from', 'longest gap', 'latency p50', 'p99', 'mIoU', 'passed')
    for name in columns:
        table.add_column(name, justify='right')
    rows = [(run['bag'], _title(run), run) for run in summary['runs']]
    if len(rows) > 1:
        rows.append(('all', f'{len(rows)} runs', summary['merged']))
    for bag, title, run in rows:
        table.add_row(escape(bag), escape(title), *_cells(run))
    console.print(table)


def _cells(run: dict[str, Any]) -> tuple[str, ...]:
    used, latency, truth = run['used'], run['latency'], run['truth']
    overall = truth['overall'] if truth else None
    return (
        str(run['frames']),
        ' / '.join(str(used[name]) for name in ('rgbd', 'rgb', 'depth')),
        _with_unit(run['longest_gap_s'], 's', '.2f'),
        _with_unit(latency['p50_ms'], 'ms', '.0f'),
        _with_unit(latency['p99_ms'], 'ms', '.0f'),
        _with_unit(overall['miou'] if overall else None, '%', '.2f'),
        '-' if not run.get('conditions', True) else 'yes' if run['passed'] else 'NO',
    )


def _print_scores(summary: dict[str, Any], console: Console) -> None:
    """Print mIoU by what masks were made from, with the classes below."""
    from rich.table import Table

    truth = summary['merged']['truth']
    if truth is None or truth['overall'] is None:
        return
    columns = {'all masks': truth['overall'], **truth['by_used']}
    columns |= {f'mode {mode}': score for mode, score in truth['by_mode'].items()}
    table = Table(title='Scores of all runs, in percent', caption=_robustness(truth))
    table.add_column('')
    for name in columns:
        table.add_column(name, justify='right')
    for key, name in (('frames', 'masks'), ('miou', 'mIoU'), ('accuracy', 'pixels right')):
        table.add_row(name, *(_plain(score[key]) for score in columns.values()))
    table.add_section()
    for name in truth['overall']['iou']:
        table.add_row(name, *(_plain(score['iou'][name]) for score in columns.values()))
    console.print(table)
    if truth['without']:
        console.print(f'{truth["without"]} masks have no label image of their stamp.')


def _print_comparison(compared: dict[str, Any] | None, console: Console) -> None:
    """Print what the same pairs are labeled with either image missing."""
    if compared is None:
        return
    same = compared['agreement']
    console.print(
        f'{compared["frames"]} pairs labeled three times: the mask of RGB alone agrees with that '
        f'of both in {same["rgbd_rgb"]:.1f} % of the pixels, of depth alone in '
        f'{same["rgbd_depth"]:.1f} %; the two with each other in {same["rgb_depth"]:.1f} %.',
        highlight=False,
    )
    if compared['scores']:
        scores = ', '.join(f'{n} {s["miou"]:.2f} %' for n, s in compared['scores'].items())
        console.print(f'mIoU of those: {scores}; {_robustness(compared)}.', highlight=False)


def _print_conditions(summary: dict[str, Any], console: Console) -> None:
    """Print what was asked, what was not kept first."""
    found = [(condition, run) for run in summary['runs'] for condition in run['conditions']]
    found.sort(key=lambda pair: bool(pair[0]['passed']))
    for condition, run in found[:_MOST_CONDITIONS]:
        word = 'kept' if condition['passed'] else 'NOT KEPT'
        console.print(
            f'{word}: {run["bag"]}, {_title(run)}: {condition["name"]} '
            f'{condition["limit"]}, got {condition["got"]}',
            markup=False,
            highlight=False,
        )
    if len(found) > _MOST_CONDITIONS:
        kept = sum(condition['passed'] for condition, _ in found)
        console.print(
            f'and {len(found) - _MOST_CONDITIONS} more; of all {len(found)}, {kept} are kept.',
            highlight=False,
        )


def _robustness(scores: dict[str, Any]) -> str | None:
    if scores['mm_robust'] is None:
        return None
    expected = ', '.join(f'E({p}) {value:.2f}' for p, value in scores['expected'].items())
    return f'MM-Robust {scores["mm_robust"]:.2f}, {expected}'


def _title(run: dict[str, Any]) -> str:
    return f'{run["scenario"]}.{run["variant"]}' if run['variant'] else str(run['scenario'])


def _with_unit(value: float | None, unit: str, form: str) -> str:
    return '-' if value is None else f'{value:{form}} {unit}'


def _plain(value: float | None) -> str:
    if value is None:
        return '-'
    return str(value) if isinstance(value, int) else f'{value:.2f}'
