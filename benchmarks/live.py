"""The real node on a bag: how many labels come, and how long none come when a camera is killed.

Camera processes, node and listener talk DDS on loopback. The bag plays in a loop; first for a
while with both cameras, then each camera is killed with SIGKILL and brought back, again and again.

    python benchmarks/live.py --bag BAG [--seconds 60] [--cycles 3] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
import platform
import sys
from typing import Any, TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Table

from m3l_core.bags.reading import Bag
from m3l_core.bags.topics import find_topics
from m3l_core.errors import M3lError
from m3l_core.frames import Modality
from m3l_core.models import default_model
from m3l_core.runtime.onnx_card import read_onnx_card
from m3l_core.samples import sample_bag
from m3l_perception.demo.processes import private_environment, Processes
from m3l_perception.demo.score import GapRow, latency_ms
from m3l_perception.demo.stage import Stage

if TYPE_CHECKING:
    from m3l_perception.demo.recorder import Recording

ACT_S = 5.0
ENOUGH = 0.95


def main() -> int:
    """Measure, and print a table or JSON; 1 if labels were too few or a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--bag', type=Path, default=sample_bag())
    parser.add_argument('--model', type=Path, default=default_model())
    parser.add_argument('--seconds', type=float, default=60, help='with both cameras (60)')
    parser.add_argument('--cycles', type=int, default=3, help='kills of each camera (3)')
    parser.add_argument('--out', type=Path, default=Path('out/live'), help='logs (out/live)')
    parser.add_argument('--json', action='store_true', help='one JSON object instead of tables')
    arguments = parser.parse_args()
    try:
        result, rows = measure(arguments, Console(stderr=True))
    except M3lError as error:
        print(f'live.py: {error}', file=sys.stderr)
        return 2
    if arguments.json:
        print(json.dumps(result))
    else:
        print_tables(result, rows)
    return 0 if result['share'] >= ENOUGH and all(row.kept for row in rows) else 1


def measure(
    arguments: argparse.Namespace, console: Console
) -> tuple[dict[str, Any], list[GapRow]]:
    """Run everything once."""
    with Bag(arguments.bag) as opened:
        topics = find_topics(opened)
    card = read_onnx_card(arguments.model)
    environment = private_environment()
    os.environ.update(environment)
    from m3l_perception.demo.recorder import Recorder  # rclpy reads the environment

    arguments.out.mkdir(parents=True, exist_ok=True)
    recorder = Recorder(topics, len(card.classes))
    try:
        with Processes(environment, arguments.out) as processes:
            stage = Stage(recorder, processes, topics, arguments.bag.resolve(), console)
            stage.start(arguments.model.resolve())
            stage.act('settling', ACT_S)
            recording = recorder.recording
            labels, images = len(recording.masks), len(recording.stamps[Modality.RGB])
            stage.act('both cameras', arguments.seconds)
            steady = recording.masks[labels:]
            stamps = recording.stamps[Modality.RGB][images:]
            for _ in range(arguments.cycles):
                for camera in ('depth', 'rgb'):
                    stage.kill(camera)
                    stage.act(f'{camera} killed', ACT_S)
                    stage.bring_back(camera)
                    stage.act(f'{camera} back', ACT_S)
    finally:
        recorder.close()
    rows = stage.gap_rows()
    engine_ms, slow_ms = np.percentile([mask.engine_ms for mask in steady], (50, 90))
    span_s = steady[-1].arrival_s - steady[0].arrival_s
    label_hz = (len(steady) - 1) / span_s
    image_hz = 1e9 * (len(stamps) - 1) / (stamps[-1] - stamps[0])
    median_ms, high_ms = latency_ms(steady)
    result = {
        'bag': arguments.bag.name,
        'model': card.name,
        'cpu': platform.processor() or platform.machine(),
        'cores': os.cpu_count(),
        'image_hz': round(image_hz, 2),
        'label_hz': round(label_hz, 2),
        'share': round(label_hz / min(image_hz, 1e3 / engine_ms), 4),
        'engine_p50_ms': round(engine_ms, 2),
        'engine_p90_ms': round(slow_ms, 2),
        'latency_p50_ms': round(median_ms, 2),
        'latency_p99_ms': round(high_ms, 2),
        'paired_share': round(float(np.mean([m.used == 'rgb+depth' for m in steady])), 4),
        **headers(recording),
        'modes': [record.mode for record in recording.modes],
        'events': [event_values(row) for row in rows],
    }
    return result, rows


def headers(recording: Recording) -> dict[str, Any]:
    """Return the sizes of all masks, and how many carry no image's stamp and frame_id."""
    strangers = sum(mask.latency_s is None for mask in recording.masks)
    sizes = sorted({mask.size for mask in recording.masks})
    return {'masks': len(recording.masks), 'sizes': sizes, 'without_an_image': strangers}


def event_values(row: GapRow) -> dict[str, Any]:
    """Return one change of the cameras as plain values."""
    return {
        'event': row.event.name,
        'gap_ms': round(1e3 * row.gap_s, 1),
        'promise_ms': round(1e3 * row.promise_s, 1),
        'mode': row.event.expected_mode,
        'mode_after_s': None if row.switched_after_s is None else round(row.switched_after_s, 2),
        'kept': row.kept,
    }


def print_tables(result: dict[str, Any], rows: list[GapRow]) -> None:
    """Print the steady part and each change."""
    console = Console()
    for name, value in result.items():
        if name != 'events':
            console.print(f'{name:18} {value}')
    table = Table('event', 'gap ms', 'promised ms', 'mode', 'after s', 'kept')
    for values in map(event_values, rows):
        table.add_row(*(str(value) for value in values.values()))
    console.print(table)


if __name__ == '__main__':
    sys.exit(main())
