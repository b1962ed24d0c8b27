"""The real node while its cameras fail at random, for as long as you like.

Camera processes, node and listener talk DDS on loopback. Cameras that play a bag are killed
(SIGKILL), frozen (SIGSTOP) and restarted, each alone and both together; in the first half of the
cycles stamps go on when the bag starts again, in the second half they jump back. Told: the longest
gap between labels after each change beside what is promised, whether the mode followed, and what
the node's process holds at minute 2 and at the end.

    python benchmarks/soak.py [--bag BAG] [--cycles 50] [--seconds 8] [--seed 0] [--json]
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
import json
import os
from pathlib import Path
from random import Random
import sys
import time
from typing import Any, TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from m3l_core.bags.reading import Bag
from m3l_core.bags.topics import find_topics
from m3l_core.errors import M3lError
from m3l_core.models import default_model
from m3l_core.runtime.onnx_card import read_onnx_card
from m3l_core.samples import sample_bag
from m3l_perception.demo.faults import deal_faults, suffer, Vitals
from m3l_perception.demo.processes import private_environment, Processes
from m3l_perception.demo.stage import Stage

if TYPE_CHECKING:
    from m3l_perception.demo.score import GapRow

WARM_S = 120.0
"""Age of the node from which its memory must not grow."""

MOST_GROWTH_MB = 10.0


def main() -> int:
    """Run, and print a table or JSON; 1 if anything was not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--bag', type=Path, default=sample_bag())
    parser.add_argument('--model', type=Path, default=default_model())
    parser.add_argument('--cycles', type=int, default=50, help='failures (50)')
    parser.add_argument('--seconds', type=float, default=8, help='least time of each state (8)')
    parser.add_argument('--seed', type=int, default=0, help='of the order of failures (0)')
    parser.add_argument('--out', type=Path, default=Path('out/soak'), help='logs (out/soak)')
    parser.add_argument('--json', action='store_true', help='one JSON object instead of tables')
    arguments = parser.parse_args()
    try:
        rows, result = run(arguments, Console(stderr=True))
    except M3lError as error:
        print(f'soak.py: {error}', file=sys.stderr)
        return 2
    if arguments.json:
        print(json.dumps(result))
    else:
        print_tables(rows, result)
    return 0 if not result['broken'] else 1


def run(arguments: argparse.Namespace, console: Console) -> tuple[list[GapRow], dict[str, Any]]:
    """Let everything happen once; return each change, and the result as plain values."""
    with Bag(arguments.bag) as opened:
        topics = find_topics(opened)
    classes = read_onnx_card(arguments.model).classes
    environment = private_environment()
    os.environ.update(environment)
    from m3l_perception.demo.recorder import Recorder  # rclpy reads the environment

    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / 'node.log').unlink(missing_ok=True)
    faults = deal_faults(arguments.cycles, Random(arguments.seed))
    vitals: list[tuple[float, Vitals]] = []
    recorder = Recorder(topics, len(classes))
    began_s = time.monotonic()
    try:
        with Processes(environment, arguments.out) as processes:
            stage = Stage(recorder, processes, topics, arguments.bag.resolve(), console)
            stage.start(arguments.model.resolve())
            stage.act('both cameras', arguments.seconds)
            for number, (fault, victims) in enumerate(faults):
                if number == (len(faults) + 1) // 2:
                    stage.change_loop('jump')
                    stage.act('stamps jump from now on', arguments.seconds)
                suffer(stage, fault, victims, seconds=arguments.seconds)
                # Always with both cameras: what each of them costs is none of the question.
                moment_s = time.monotonic() - began_s
                vitals.append((moment_s, Vitals.of(processes.pid('node'))))
            stage.act('end', arguments.seconds)
    finally:
        recorder.close()
    rows = stage.gap_rows(settled_s=arguments.seconds)
    return rows, summary(arguments, rows, vitals, len(recorder.recording.masks))


def summary(
    arguments: argparse.Namespace,
    rows: list[GapRow],
    vitals: list[tuple[float, Vitals]],
    labels: int,
) -> dict[str, Any]:
    """Return the result as plain values, and what of it is not as it must be."""
    warm = next((seen for at_s, seen in vitals if at_s >= WARM_S), vitals[0][1])
    last = vitals[-1][1]
    log = (arguments.out / 'node.log').read_text(errors='replace')
    errors = [line for line in log.splitlines() if '[ERROR]' in line or 'Traceback' in line]
    held = [row for row in rows if row.promise_s < float('inf')]
    broken = [
        f'{row.event.name}: {1e3 * row.gap_s:.0f} ms, mode after {row.switched_after_s} s'
        for row in rows
        if not row.kept
    ]
    if last.resident_mb > warm.resident_mb + MOST_GROWTH_MB:
        broken.append(f'memory: {warm.resident_mb:.0f} MB grew to {last.resident_mb:.0f} MB')
    broken += [
        f'{what}: {getattr(warm, what)} became {getattr(last, what)}'
        for what in ('threads', 'descriptors')
        if getattr(last, what) != getattr(warm, what)
    ]
    broken += [f'log: {line}' for line in errors]
    return {
        'bag': arguments.bag.name,
        'minutes': round(vitals[-1][0] / 60, 1),
        'cores': os.cpu_count(),
        'cycles': arguments.cycles,
        'labels': labels,
        'promised': len(held),
        'kept': sum(row.kept for row in held),
        'modes_followed': sum(row.switched_after_s is not None for row in rows),
        'changes': len(rows),
        'at_minute_2': asdict(warm),
        'at_the_end': asdict(last),
        'worst': {name: worst(held, name) for name in sorted({r.event.name for r in held})},
        'broken': broken,
    }


def worst(rows: list[GapRow], name: str) -> dict[str, Any]:
    """Return the change of this name that came closest to its promise, or broke it most."""
    mine = [row for row in rows if row.event.name == name]
    row = max(mine, key=lambda row: row.gap_s / row.promise_s)
    return {
        'times': len(mine),
        'kept': sum(row.kept for row in mine),
        'gap_ms': round(1e3 * row.gap_s, 1),
        'promise_ms': round(1e3 * row.promise_s, 1),
    }


def print_tables(rows: list[GapRow], result: dict[str, Any]) -> None:
    """Print the worst of each kind of change, and all else."""
    console = Console()
    table = Table('change', 'times', 'kept', 'worst gap ms', 'promised ms')
    for name, values in result['worst'].items():
        table.add_row(name, *(str(value) for value in values.values()))
    console.print(table)
    followed = [row.switched_after_s for row in rows if row.switched_after_s is not None]
    console.print(f'slowest mode      {max(followed, default=0):.2f} s')
    for name in ('minutes', 'labels', 'changes', 'modes_followed', 'at_minute_2', 'at_the_end'):
        console.print(f'{name:17} {result[name]}')
    for text in result['broken']:
        console.print(f'BROKEN {text}')


if __name__ == '__main__':
    sys.exit(main())
