"""Train and compare methods of learning: methods x label counts x seeds, in one table.

GRID is a YAML file: `base`, a training configuration; `methods`, `labels` and `seeds`, whose every
combination is a run; `variants`, methods with values changed, such as one switch off; `compare`,
pairs of them. A seed draws the same labeled images, start and order for all methods. See
config/benchmark/nyuv2_few_labels.yaml.

Each run is trained and scored in a process of its own. Stopped by Ctrl-C, or a power cut, the
benchmark goes on when the same command is given again; a run that fails becomes a row that says
why, and is tried again then. After each run these are written anew into --out:

  table.md     what the numbers say, with paired intervals, and every run
  table.csv    a row for each run: scores, configuration, pairs, time, commit
  runs.jsonl   the same for programs
  *.png        scores by label count and by condition (needs matplotlib)
  runs/NAME    a run as m3l train leaves it, with its confusion counts of every image

For example:

  m3l benchmark config/benchmark/nyuv2_few_labels.yaml --data nyuv2 --weights rooms_b0 --dry-run
  m3l benchmark config/benchmark/nyuv2_few_labels.yaml --data nyuv2 --weights rooms_b0
  m3l benchmark my_grid.yaml --data my_images --unlabeled extracted --weights nyuv2_b0 --jobs 4
  m3l benchmark my_grid.yaml --data my_images --report
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from m3l_core.models import shipped_weights

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from m3l_core.benchmark.inputs import Inputs
    from m3l_core.benchmark.run_files import RunFiles


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('grid', type=Path, metavar='GRID', help='YAML file of what to compare')
    parser.add_argument('--data', type=Path, required=True, help='labeled images, see m3l data')
    parser.add_argument(
        '--weights',
        type=lambda text: shipped_weights().get(text, Path(text)),
        help='checkpoint that runs with init: pretrained start from; a file, or one of '
        f'{", ".join(shipped_weights())}',
    )
    parser.add_argument(
        '--unlabeled',
        type=Path,
        nargs='+',
        default=[],
        metavar='IMAGES',
        help='images to learn from without labels, beside those that `labels` leaves over',
    )
    parser.add_argument('--rendered', type=Path, help='frames of m3l rooms, for rendered_share')
    parser.add_argument(
        '--val', type=Path, help='data set whose val split is scored (default: that of --data)'
    )
    parser.add_argument('--out', type=Path, help='folder (default: runs/ and the name of GRID)')
    parser.add_argument(
        '--jobs', type=int, default=1, metavar='N', help='runs at a time (default: 1)'
    )
    parser.add_argument(
        '--split',
        default='val',
        choices=('val', 'test'),
        help='what the table tells (default: val). test is scored once the whole grid is finished '
        'on val, and each look is counted in the weights',
    )
    only = parser.add_mutually_exclusive_group()
    only.add_argument('--dry-run', action='store_true', help='say what would run, and how long')
    only.add_argument(
        '--report', action='store_true', help='train nothing: score and tell what is trained'
    )


def run(arguments: argparse.Namespace) -> int:
    """Run what is left; return 1 if a run failed."""
    from importlib.util import find_spec

    from m3l_core.benchmark.estimate import estimate
    from m3l_core.benchmark.grid import load_grid
    from m3l_core.benchmark.run_files import expect_comparable, RunFiles
    from m3l_core.benchmark.running import alone_in, work_on_test, work_on_val
    from m3l_core.benchmark.session import Session
    from m3l_core.errors import ConfigError

    if arguments.jobs < 1:
        raise ConfigError(f'--jobs: expected at least 1, got {arguments.jobs}.')
    grid, runs = load_grid(arguments.grid)
    out = arguments.out or Path('runs') / arguments.grid.stem
    files = [RunFiles(out, run) for run in runs]
    inputs = _inputs(arguments)
    expect_comparable(files)
    if not arguments.report:
        inputs.expect_enough(runs)
        inputs.expect_same_start(files)
        inputs.expect_unseen_val(runs)
    if arguments.dry_run:
        _print_plan(files, arguments.jobs)
        return 0
    title = arguments.grid.stem
    session = Session(title, grid, files, out, split=arguments.split, jobs=arguments.jobs)
    with alone_in(out, print) as lock:
        try:
            session.do(work_on_val(grid, files, train=not arguments.report), inputs, lock)
            if arguments.split == 'test':
                session.do(work_on_test(grid, files), inputs, lock)
        except KeyboardInterrupt:
            session.write()
            print(f'stopped: {estimate(files).text(arguments.jobs)}. The same command goes on.')
            raise
        comparisons = session.write()
    for comparison in comparisons:
        print(comparison.sentence())
    if not find_spec('matplotlib'):
        print('no plots, as matplotlib is not installed. Run: pip install "m3l_perception[train]"')
    print(f'{estimate(files).text(arguments.jobs)}; table: {out / "table.md"}')
    return 1 if session.failed else 0


def _inputs(arguments: argparse.Namespace) -> Inputs:
    from m3l_core.benchmark.inputs import Inputs

    return Inputs(
        data=arguments.data,
        weights=arguments.weights,
        rendered=arguments.rendered,
        unlabeled=tuple(arguments.unlabeled),
        validation=arguments.val,
    )


def _print_plan(files: Sequence[RunFiles], jobs: int) -> None:
    """Print what would run."""
    from rich.console import Console
    from rich.table import Table

    from m3l_core.benchmark.estimate import estimate
    from m3l_core.benchmark.pace import seconds_per_pixel

    table = Table('run', box=None)
    for column in ('labels', 'seed', 'steps', 'pairs'):
        table.add_column(column, justify='right')
    table.add_column('')
    for one in files:
        run, (step, _) = one.run, one.progress()
        state = 'finished' if one.card() else f'at step {step}' if step else ''
        numbers = (run.labels, run.seed, run.config.steps, f'{run.pairs:,}')
        table.add_row(run.name, *map(str, numbers), state)
    console = Console()
    console.print(table)
    left = estimate(files, seconds_per_pixel)
    console.print(left.text(jobs), highlight=False, soft_wrap=True)
