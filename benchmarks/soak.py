"""The real node while its cameras fail at random, for ten minutes or longer.

Camera processes, node and listener talk DDS on loopback. Cameras that play a bag are killed
(SIGKILL), frozen (SIGSTOP) and restarted, each alone and both together; in the first half of the
cycles stamps go on when the bag starts again, in the second half they jump back.

A restart is real: a new process, which starts an interpreter on the cores of the others, takes
part in DDS and is found. It publishes 1 to 2 s after its predecessor was killed; no driver of a
camera is simulated, which may need longer, nor the computer that starts it again.

Told: the longest gap between labels after each change, and the time until the mode followed,
beside what is promised; and what the node's process holds at minute 2 and at the end. Another
process notes when the whole machine stands still. A promise that fails for that reason, or because
the images of a camera that lives reached nobody, is told as `paused` or `stalled`; it is none of
the node's, and never left out.

    python benchmarks/soak.py [--bag BAG] [--cycles 50] [--seconds 8] [--seed 0] [--json]

Exit code: 0 if all was as promised, 1 if not or if the run took less than ten minutes, 2 if it
could not run.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
import json
from math import inf
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
from m3l_perception.demo.faults import inject, plan_faults, Usage
from m3l_perception.demo.pause_monitor import read_pauses
from m3l_perception.demo.processes import private_environment, Processes
from m3l_perception.demo.report import EXCUSES
from m3l_perception.demo.rig import Rig

if TYPE_CHECKING:
    from m3l_perception.demo.score import GapRow

FACTS = (
    'minutes', 'labels', 'changes', 'promised', 'kept', 'modes_in_time', 'pauses',
    'longest_pause_ms', 'at_minute_2', 'at_the_end',
)  # fmt: skip

WARM_S = 120.0
"""Age of the node from which its memory must not grow."""

MOST_GROWTH_MB = 10.0

LEAST_MINUTES = 10.0
"""A shorter run says little of a node that is to run for weeks."""


def main() -> int:
    """Run, and print tables or JSON; 1 if anything was not as it must be."""
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
        result = run(arguments, Console(stderr=True))
    except M3lError as error:
        print(f'soak.py: {error}', file=sys.stderr)
        return 2
    if arguments.json:
        print(json.dumps(result))
    else:
        print_tables(result)
    return 0 if not result['broken'] else 1


def run(arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Let everything happen once; return the result as plain values."""
    if arguments.cycles < 1:
        raise M3lError(f'--cycles: expected 1 or more, got {arguments.cycles}.')
    with Bag(arguments.bag) as opened:
        topics = replace(find_topics(opened), labels=None)  # nothing is scored
    classes = read_onnx_card(arguments.model).classes
    environment = private_environment()
    os.environ.update(environment)
    from m3l_perception.demo.recorder import Recorder  # rclpy reads the environment

    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in ('node', 'pause_monitor'):
        (arguments.out / f'{name}.log').unlink(missing_ok=True)
    faults = plan_faults(arguments.cycles, Random(arguments.seed))
    usages: list[tuple[float, Usage]] = []
    recorder = Recorder(topics, len(classes))
    began_s = time.monotonic()
    try:
        with Processes(environment, arguments.out) as processes:
            processes.start('pause_monitor', 'm3l_perception.demo.pause_monitor', [])
            rig = Rig(recorder, processes, topics, arguments.bag.resolve(), console)
            rig.start(arguments.model.resolve())
            rig.run('both cameras', arguments.seconds)
            for number, (fault, victims) in enumerate(faults):
                if number == (len(faults) + 1) // 2:
                    rig.change_loop('jump')
                    rig.run('stamps jump from now on', arguments.seconds)
                inject(rig, fault, victims, seconds=arguments.seconds)
                # Always with both cameras: what each of them costs is none of the question.
                moment_s = time.monotonic() - began_s
                usages.append((moment_s, Usage.of(processes.pid('node'))))
            rig.run('end', arguments.seconds)
    finally:
        recorder.close()
    pauses_s = read_pauses(arguments.out / 'pause_monitor.log')
    rows = rig.gap_rows(settled_s=arguments.seconds, pauses_s=pauses_s)
    minutes = (rig.end_s - rig.began_s) / 60
    result = summary(arguments, rows, usages, minutes)
    result['labels'] = len(recorder.recording.masks)
    result['pauses'] = len(pauses_s)
    result['longest_pause_ms'] = rounded_ms(max((b - a for a, b in pauses_s), default=0.0))
    return result


def summary(
    arguments: argparse.Namespace,
    rows: list[GapRow],
    usages: list[tuple[float, Usage]],
    minutes: float,
) -> dict[str, Any]:
    """Return the result as plain values, and what of it is not as it must be."""
    warm = next((seen for at_s, seen in usages if at_s >= WARM_S), usages[0][1])
    last = usages[-1][1]
    log = (arguments.out / 'node.log').read_text(errors='replace')
    errors = [line for line in log.splitlines() if '[ERROR]' in line or 'Traceback' in line]
    held = [row for row in rows if row.promise_s < inf]
    broken = [describe(row) for row in rows if row.verdict == 'BROKEN']
    if minutes < LEAST_MINUTES:
        broken.append(f'incomplete: {minutes:.1f} of {LEAST_MINUTES:.0f} minutes')
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
        'minutes': round(minutes, 1),
        'cores': os.cpu_count(),
        'cycles': arguments.cycles,
        'changes': len(rows),
        'promised': len(held),
        'kept': sum(row.kept for row in held),
        'modes_in_time': sum(row.mode_kept for row in rows),
        'at_minute_2': asdict(warm),
        'at_the_end': asdict(last),
        'worst': {name: worst(rows, name) for name in sorted({r.event.name for r in rows})},
        'excused': [describe(row) for row in rows if row.verdict in EXCUSES],
        'broken': broken,
    }


def describe(row: GapRow) -> str:
    """Describe one change in a line."""
    after_ms = rounded_ms(row.mode_after_s)
    followed = 'never' if after_ms is None else f'after {after_ms} ms'
    return (
        f'{row.event.name}: gap {rounded_ms(row.gap_s)} of {rounded_ms(row.promise_s)} ms, '
        f'mode {followed} (at most {rounded_ms(row.mode_promise_s)}); machine paused '
        f'{rounded_ms(row.paused_s)} ms, living camera unheard {rounded_ms(row.unheard_s)} ms '
        f'(mode due {rounded_ms(row.stale_s)} ms later)'
    )


def rounded_ms(seconds: float) -> float | None:
    """Return milliseconds for people; None for infinitely many, which JSON does not know."""
    return round(1e3 * seconds, 1) if seconds < inf else None


def worst(rows: list[GapRow], name: str) -> dict[str, Any]:
    """Return what of the changes of this name came closest to its promises, or broke them most.

    Gaps that are excused are told apart. A return alone promises only the mode.
    """
    mine = [row for row in rows if row.event.name == name]
    counted = [row for row in mine if row.verdict not in EXCUSES] or mine
    row = max(counted, key=lambda row: row.gap_s - min(row.promise_s, 1e9))
    late = max(counted, key=lambda row: row.mode_after_s - row.mode_promise_s)
    return {
        'times': len(mine),
        'kept': sum(row.kept for row in mine),
        'excused': sum(row.verdict in EXCUSES for row in mine),
        'gap_ms': rounded_ms(row.gap_s),
        'promise_ms': rounded_ms(row.promise_s),
        'mode_ms': rounded_ms(late.mode_after_s),
        'mode_promise_ms': rounded_ms(late.mode_promise_s),
    }


def print_tables(result: dict[str, Any]) -> None:
    """Print the worst of each kind of change, and all else."""
    console = Console()
    headers = ('change', 'times', 'kept', 'excused', 'worst gap', 'promised', 'mode', 'at most')
    table = Table(*headers, title='ms')
    for name, values in result['worst'].items():
        table.add_row(name, *('-' if value is None else str(value) for value in values.values()))
    console.print(table)
    for name in FACTS:
        console.print(f'{name:17} {result[name]}')
    for text in result['excused']:
        console.print(f'EXCUSED {text}')
    for text in result['broken']:
        console.print(f'BROKEN {text}')


if __name__ == '__main__':
    sys.exit(main())
