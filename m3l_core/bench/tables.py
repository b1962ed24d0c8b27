"""What was measured, for a person and for a program."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from m3l_core.bench.machine import Processor
    from m3l_core.bench.measuring import Plan, Row

_LONGEST_LAYERS = 12


def print_report(
    plan: Plan, rows: Sequence[Row], left_out: Mapping[str, str], cpu: Processor, console: Console
) -> None:
    """Print a table of all engines, and what is to be said beside it."""
    threads = plan.threads or cpu.threads
    console.print(f'{escape(cpu.model)}, {threads} threads: {" ".join(cpu.flags)}', style='dim')
    if plan.work is not None:
        work = plan.work
        console.print(
            f'one pair of images: {work.operations / 1e9:.2f} billion operations, '
            f'{work.bytes_moved("float32") / 1e6:.0f} MB in float32',
            style='dim',
        )
    console.print(_table(plan, rows))
    for row in rows:
        for text in (row.problem, row.parity_problem, *row.warnings):
            if text:
                console.print(f'{row.contender}: {escape(text)}', style='yellow')
        if row.layers:
            console.print(_layer_table(row))
    for backend, why in left_out.items():
        console.print(f'{backend}: {escape(why)}', style='dim')


def report(
    plan: Plan, rows: Sequence[Row], left_out: Mapping[str, str], cpu: Processor
) -> dict[str, Any]:
    """Return everything for JSON."""
    return {
        'model': plan.model.name,
        'frames': plan.frames,
        'threads': plan.threads or cpu.threads,
        'cpu': asdict(cpu),
        'work': None
        if plan.work is None
        else {
            'operations': plan.work.operations,
            'operations_by_kind': plan.work.operations_by_kind(),
            'bytes_float32': plan.work.bytes_moved('float32'),
        },
        'engines': [row.to_dict() for row in rows],
        'left_out': dict(left_out),
    }


def _table(plan: Plan, rows: Sequence[Row]) -> Table:
    table = Table(title=escape(f'{plan.model.name}, {plan.frames} frames'), title_justify='left')
    table.add_column('engine')
    for name in (
        'load s\nfirst',
        'load s\nagain',
        'p50\nms',
        'p90\nms',
        'p99\nms',
        'frames\na second',
        'memory\nMB',
        'same labels\n%',
        'limit\nms',
        'limit\nreached',
    ):
        table.add_column(name, justify='right')
    for row in rows:
        table.add_row(*_cells(row))
    return table


def _cells(row: Row) -> list[str]:
    name = f'{row.contender} ({row.device})' if row.device == 'cuda' else str(row.contender)
    if row.problem or not row.times_ms:
        return [name, *['failed' if column == 2 else '' for column in range(10)]]
    memory = f'{row.host_mb:.0f}' + (f' + {row.gpu_mb:.0f} GPU' if row.gpu_mb else '')
    return [
        name,
        '' if row.first_load_s is None else f'{row.first_load_s:.2f}',
        f'{row.load_s:.2f}',
        *(f'{row.percentile(share):.1f}' for share in (50, 90, 99)),
        f'{row.frames_per_second:.1f}',
        memory,
        _parity_cell(row),
        '' if row.limit is None else f'{row.limit.milliseconds:.1f}',
        '' if row.share_of_limit is None else f'{row.share_of_limit:.0%}',
    ]


def _parity_cell(row: Row) -> str:
    """Return the least share over the modes: what a robot can count on."""
    if row.parity_problem:
        return 'too few'
    return f'{min(mode["total"] for mode in row.parity.values()):.2f}' if row.parity else ''


def _layer_table(row: Row) -> Table:
    total = sum(layer['milliseconds'] for layer in row.layers)
    table = Table(title=f'{row.contender}: {total:.1f} ms in all layers', title_justify='left')
    table.add_column('ms', justify='right')
    table.add_column('layer')
    table.add_column('kind')
    table.add_column('kernel')
    for layer in row.layers[:_LONGEST_LAYERS]:
        texts = (escape(layer[key]) for key in ('name', 'kind', 'kernel'))
        table.add_row(f'{layer["milliseconds"]:.2f}', *texts)
    return table
