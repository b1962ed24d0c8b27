"""Take unlabeled RGB-D pairs out of bags, as a data set that training reads.

Pairs are made as the node makes them. Left out, and counted, are pairs nearer than --every,
near-duplicates, blurred ones, and those with a black, white, frozen or empty image. Run the same
command again to go on where it was stopped, or with more bags to add them. Ends with 2 if a bag
or an input cannot be used; the other bags are extracted all the same. Example:

  m3l extract monday.mcap tuesday/ frames --every 0.5s --workers 2
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
import sys
from typing import TYPE_CHECKING

from m3l_core.terminal import progress_bars

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from rich.progress import TaskID

    from m3l_core.extract import Extraction

BAGS_FAILED = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument(
        'bags', type=Path, nargs='+', metavar='BAG', help='rosbag2 folder, .mcap, .db3 or .bag'
    )
    parser.add_argument('out', type=Path, metavar='OUT', help='folder of the data set')
    parser.add_argument(
        '--every', default='1', metavar='N|S', help='5: each fifth pair; 0.5s: two in a second'
    )
    parser.add_argument(
        '--distinct', type=float, default=3.0, metavar='LEVELS',
        help='mean difference in gray from all pairs kept lately; 0 keeps all (default: 3)',
    )  # fmt: skip
    parser.add_argument(
        '--sharpness', type=float, default=0.3, metavar='SHARE',
        help="of the bag's median sharpness; 0 keeps all (default: 0.3)",
    )  # fmt: skip
    parser.add_argument('--rgb', metavar='TOPIC', help='color images (default: guessed)')
    parser.add_argument('--depth', metavar='TOPIC', help='registered depth (default: guessed)')
    parser.add_argument(
        '--depth-stamp-offset', type=float, default=0.0, metavar='S',
        help='seconds added to depth stamps before pairing',
    )  # fmt: skip
    parser.add_argument(
        '--workers', type=int, default=1, metavar='W', help='bags at a time (default: 1)'
    )
    parser.add_argument(
        '--ray', metavar='ADDRESS', help='work on a Ray cluster that sees the same files'
    )


def run(arguments: argparse.Namespace) -> int:
    """Extract, with a progress bar, and tell what became of every bag."""
    from m3l_core.extract import extract, ExtractConfig

    config = ExtractConfig(
        every=arguments.every,
        distinct=arguments.distinct,
        sharpness=arguments.sharpness,
        rgb=arguments.rgb,
        depth=arguments.depth,
        depth_stamp_offset=arguments.depth_stamp_offset,
    )
    with _progress() as show:
        done = extract(
            arguments.bags, arguments.out, config,
            workers=arguments.workers, ray=arguments.ray, on_progress=show,
        )  # fmt: skip
    if done.reports:
        _print(done)
    for bag, problem in done.failed.items():
        where = '' if str(bag) in problem else f'{bag}: '
        print(f'm3l: {where}{problem}', file=sys.stderr)
    if not done.reports:
        return BAGS_FAILED
    kept = sum(report.kept for report in done.reports)
    bags = 'bag' if len(done.reports) == 1 else 'bags'
    print(f'{arguments.out}: {kept} pairs of {len(done.reports)} {bags}')
    return BAGS_FAILED if done.failed else 0


def _print(done: Extraction) -> None:
    """Print a table of the bags, and where their images were found."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from m3l_core.extract.bag import REASONS

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ('bag', 'images', 'kept', *REASONS):
        table.add_column(column, justify='left' if column == 'bag' else 'right', no_wrap=True)
    for report in done.reports:
        counts = (report.images, report.kept, *report.skipped.values())
        table.add_row(escape(report.name), *map(str, counts))
    console = Console(highlight=False)
    console.print(table)
    for reason, meaning in REASONS.items():
        if any(report.skipped[reason] for report in done.reports):
            console.print(f'  {reason}: {meaning}')
    for report in done.reports:
        was = ' (done before)' if report.name in done.done_before else ''
        console.print(
            f'{report.name}{was}: {report.rgb}, {report.depth}', soft_wrap=True, markup=False
        )
        for warning in report.warnings:
            console.print(f'  warning: {warning}', soft_wrap=True, markup=False)


@contextmanager
def _progress() -> Iterator[Callable[[str, float], None]]:
    """Show a bar for each bag on a terminal; yield what moves it."""
    from rich.markup import escape

    with progress_bars() as progress:
        bars: dict[str, TaskID] = {}

        def show(name: str, share: float) -> None:
            if name not in bars:
                bars[name] = progress.add_task(escape(name), total=1.0)
            progress.update(bars[name], completed=share, visible=share < 1)

        yield show
