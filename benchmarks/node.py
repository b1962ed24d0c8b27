"""What the node adds to its engine: camera process, node, and this process as a subscriber.

All talk DDS on loopback; the images are raw, 640x480. Latency is from just before a pair is
published until its labels have arrived here. First at 0.7 / p50 of the engine, then at 30 Hz; then
both again with an engine that only sleeps for so long, whose node spends no processor time but its
own. Exit code 1 if a target is missed.

    python benchmarks/node.py [--bag BAG] [--model MODEL] [--seconds 30] [--json]
"""

from __future__ import annotations

import argparse
from contextlib import contextmanager
import ctypes
from dataclasses import dataclass
from functools import partial
import json
import os
from pathlib import Path
import platform
import signal
import struct
import subprocess
import sys
from threading import Thread
import time
from typing import Any, TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Table

from m3l_core.models import default_model
from m3l_core.samples import sample_bag
from m3l_perception.demo.processes import private_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

CAMERA = Path(__file__).with_name('camera.py')
NODE = ('-m', 'm3l_perception.segment_node')

STAND_IN = """
import sys, time
from m3l_perception import loading, segment_node
open_engine, seconds = loading.open_engine, {seconds}

def open_stand_in(*args, **options):
    engine = open_engine(*args, **options)
    labels = engine.run(*(
        __import__('numpy').zeros(shape, kind) for shape, kind in (
            ((1, *engine.card.image_size, 3), 'u1'), ((1, *engine.card.image_size), 'f4'),
            ((1, 2), 'f4'))
    ))
    def run(*images):
        time.sleep(seconds)
        return labels
    engine.run = run
    return engine

loading.open_engine, loading.check_parity_file = open_stand_in, lambda *_: None
sys.exit(segment_node.main())
"""
"""A node whose engine takes its time and does nothing."""

ADDED_MS = 10.0
"""What the node may add to its engine at the median."""

MOST_DECODE_MS = MOST_FILL_MS = 1.0
"""For the two raw images of a frame, and for the message of its mask."""

LEAST_LABELS = 10
START_S = 60.0
SETTLE_S = 3.0
TICKS_S = os.sysconf('SC_CLK_TCK')

KEPT_BYTES = 1 << 25
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Of glibc's malloc.h."""

STAMP = struct.Struct('=iI')
ENCAPSULATION_BYTES = 4
"""What CDR puts ahead of a message, whose numbers are those of the machine."""


@dataclass(frozen=True)
class Label:
    """One mask as it arrived: nanoseconds of the steady clock, and what its status says."""

    published_ns: int
    arrived_ns: int
    engine_ms: float
    decode_ms: float

    @classmethod
    def of(cls, arrived_ns: int, status: bytes) -> Label:
        """Return the label of a mask by its serialized status."""
        from diagnostic_msgs.msg import DiagnosticArray
        from rclpy.serialization import deserialize_message

        message = deserialize_message(status, DiagnosticArray)
        values = {item.key: item.value for item in message.status[0].values}
        times = float(values['engine_ms']), float(values['decode_ms'])
        return cls(stamp_ns(status), arrived_ns, *times)


class Subscriber:
    """Listens to masks, their status, and diagnostics.

    It shares the processor with what it measures, so it does no more than note when what came:
    masks are not deserialized at all, and the status of each only when it is asked for.
    """

    def __init__(self) -> None:
        from diagnostic_msgs.msg import DiagnosticArray
        import rclpy
        from rclpy.event_handler import SubscriptionEventCallbacks
        from rclpy.executors import SingleThreadedExecutor
        from sensor_msgs.msg import Image

        keep_memory()
        rclpy.init()
        self.counts: dict[str, dict[str, int]] = {}
        self._arrived_ns: dict[int, int] = {}
        self._statuses: list[tuple[int, bytes]] = []
        self._node = rclpy.create_node('subscriber', start_parameter_services=False)
        subscribe = partial(
            self._node.create_subscription,
            event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
        )
        subscribe(Image, '/m3l_segment/mask', self._on_mask, 10, raw=True)
        subscribe(DiagnosticArray, '/m3l_segment/status', self._on_status, 10, raw=True)
        subscribe(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._thread = Thread(target=self._executor.spin, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        import rclpy

        self._executor.shutdown()
        self._thread.join()
        self._node.destroy_node()
        rclpy.shutdown()

    def __len__(self) -> int:
        """Return how many labels have come."""
        return len(self._statuses)

    def labels(self, first: int) -> list[Label]:
        """Return the labels that have come, without the `first`."""
        return [Label.of(*status) for status in self._statuses[first:]]

    def _on_mask(self, data: bytes) -> None:
        self._arrived_ns[stamp_ns(data)] = time.monotonic_ns()

    def _on_status(self, data: bytes) -> None:
        arrived_ns = self._arrived_ns.pop(stamp_ns(data), None)
        if arrived_ns is not None:
            self._statuses.append((arrived_ns, data))

    def _on_diagnostics(self, message: Any) -> None:  # noqa: ANN401
        for status in message.status:
            numbers = {item.key: item.value for item in status.values if item.value.isdigit()}
            name = status.name.rpartition(' ')[2]
            self.counts[name] = {key: int(value) for key, value in numbers.items()}


def keep_memory() -> None:
    """Let malloc keep what is freed: else the pages of every mask are fetched anew."""
    mallopt = ctypes.CDLL(None).mallopt
    for setting in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
        mallopt(setting, KEPT_BYTES)


def stamp_ns(data: bytes) -> int:
    """Return the header stamp of a serialized message that begins with a header."""
    seconds, nanoseconds = STAMP.unpack_from(data, ENCAPSULATION_BYTES)
    return int(seconds * 1_000_000_000 + nanoseconds)


@contextmanager
def process(
    words: tuple[str, ...], log: Path, environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Python process until the block ends."""
    with log.open('wb') as file:
        started = subprocess.Popen(
            [sys.executable, *words], stdout=file, stderr=file, env=environment
        )
    try:
        yield started
    finally:
        started.send_signal(signal.SIGTERM)
        try:
            started.wait(10)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def cpu_s(pid: int) -> float:
    """Return the processor time a process has used."""
    fields = Path(f'/proc/{pid}/stat').read_text().rpartition(') ')[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_S


class Bench:
    """Runs node and camera, and measures what comes."""

    def __init__(self, arguments: argparse.Namespace, environment: dict[str, str]) -> None:
        self._arguments = arguments
        self._environment = os.environ | environment
        arguments.out.mkdir(parents=True, exist_ok=True)
        self.subscriber = Subscriber()

    def engine_p50_ms(self) -> float:
        """Return the engine's median time when it has all the time it wants."""
        with self._node(NODE):
            labels, _ = self._labels_at(5.0, self._arguments.seconds)
        return float(np.median([label.engine_ms for label in labels]))

    def measure(self, rate: float) -> dict[str, Any]:
        """Return what comes at a rate of the camera."""
        with self._node(NODE):
            labels, published = self._labels_at(rate, self._arguments.seconds)
            time.sleep(1.5)  # for the last diagnostics
            counts = self.subscriber.counts
        engine_ms, decode_ms = (
            float(np.median([getattr(label, name) for label in labels]))
            for name in ('engine_ms', 'decode_ms')
        )
        latencies_ms = [(label.arrived_ns - label.published_ns) / 1e6 for label in labels]
        p50_ms, p99_ms = np.percentile(latencies_ms, (50, 99))
        span_s = (labels[-1].arrived_ns - labels[0].arrived_ns) / 1e9
        return {
            'camera_hz': round(rate, 2),
            'label_hz': round((len(labels) - 1) / span_s, 2),
            'engine_p50_ms': round(engine_ms, 2),
            'decode_p50_ms': round(decode_ms, 2),
            'latency_p50_ms': round(float(p50_ms), 2),
            'latency_p99_ms': round(float(p99_ms), 2),
            'published': published,
            'lost': losses(published, counts),
        }

    def cpu_ms(self, rate: float, engine_s: float) -> float:
        """Return the processor time of the node for each label, its engine's time left out."""
        with self._node(('-c', STAND_IN.format(seconds=engine_s))) as node:
            self._labels_at(rate, self._arguments.seconds)
            before_s = cpu_s(node.pid)
            labels, _ = self._labels_at(rate, self._arguments.seconds)
            return 1e3 * (cpu_s(node.pid) - before_s) / len(labels)

    @contextmanager
    def _node(self, words: tuple[str, ...]) -> Iterator[subprocess.Popen[bytes]]:
        given = ('--ros-args', '-p', f'model:={self._arguments.model.resolve()}')
        log = self._arguments.out / 'node.log'
        with process((*words, *given), log, self._environment) as node:
            end_s = time.monotonic() + START_S
            while b'READY' not in log.read_bytes():
                if time.monotonic() > end_s or node.poll() is not None:
                    sys.exit(f'node.py: the node is not ready; see {log}.')
                time.sleep(0.1)
            yield node

    def _labels_at(self, rate: float, seconds: float) -> tuple[list[Label], int]:
        """Return the labels that come in `seconds`, once all have found each other."""
        words = (str(CAMERA), str(self._arguments.bag), '--rate', str(rate))
        log = self._arguments.out / 'camera.log'
        before = len(self.subscriber)
        with process(words, log, self._environment):
            end_s = time.monotonic() + START_S
            while len(self.subscriber) == before:
                if time.monotonic() > end_s:
                    sys.exit(f'node.py: no labels came; see {self._arguments.out}.')
                time.sleep(0.1)
            time.sleep(SETTLE_S)
            first = len(self.subscriber)
            time.sleep(seconds)
            labels = self.subscriber.labels(first)
        if len(labels) < LEAST_LABELS:
            sys.exit(f'node.py: {len(labels)} labels in {seconds:g} s say nothing.')
        return labels, int(log.read_text().split()[-1])


def losses(published: int, counts: dict[str, dict[str, int]]) -> dict[str, int]:
    """Return how many color images became no label, by reason; zeros left out."""
    rgb, engine = counts['rgb'], counts['engine']
    lost = {'transport': published - rgb['received']}
    lost |= {key: value for key, value in rgb.items() if key.startswith('dropped_')}
    lost |= {key: value for key, value in engine.items() if key.startswith(('skipped_', 'bad'))}
    return {key: value for key, value in lost.items() if value}


def fill_ms() -> float:
    """Return how long it takes to make a message of a 480x640 mask."""
    from std_msgs.msg import Header

    from m3l_perception.messages import mono8_image

    pixels, times = np.zeros((480, 640), np.uint8), []
    for _ in range(200):
        start = time.perf_counter()
        mono8_image(pixels, Header())
        times.append(1e3 * (time.perf_counter() - start))
    return float(np.median(times))


def main() -> int:
    """Measure, and print a table or JSON; 1 if the node adds more than it may."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--bag', type=Path, default=sample_bag())
    parser.add_argument('--model', type=Path, default=default_model())
    parser.add_argument('--seconds', type=float, default=30, help='of each measurement (30)')
    parser.add_argument('--out', type=Path, default=Path('out/node'), help='logs (out/node)')
    parser.add_argument('--json', action='store_true', help='one JSON object instead of a table')
    arguments = parser.parse_args()
    environment = private_environment()
    os.environ.update(environment)  # rclpy reads it when it starts
    bench = Bench(arguments, environment)
    try:
        engine_ms = bench.engine_p50_ms()
        rates = (0.7e3 / engine_ms, 30.0)
        rows = [bench.measure(rate) for rate in rates]
        for row, rate, half_period_ms in zip(rows, rates, (0.0, 500 / 30), strict=True):
            row['cpu_ms'] = round(bench.cpu_ms(rate, engine_ms / 1e3), 2)
            row['latency_target_ms'] = round(row['engine_p50_ms'] + half_period_ms + ADDED_MS, 2)
    finally:
        bench.subscriber.close()
    result = {
        'model': arguments.model.stem,
        'cpu': platform.processor() or platform.machine(),
        'cores': os.cpu_count(),
        'fill_mask_ms': round(fill_ms(), 3),
        'rates': rows,
    }
    result['targets'] = targets(result)
    if arguments.json:
        print(json.dumps(result))
    else:
        print_table(result)
    return 0 if all(target['met'] for target in result['targets']) else 1


def targets(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return each target with what was measured and whether it is met."""
    held = [
        (
            f'publish to label, {row["camera_hz"]} Hz',
            row['latency_p50_ms'],
            row['latency_target_ms'],
        )
        for row in result['rates']
    ]
    decode_ms = max(row['decode_p50_ms'] for row in result['rates'])
    held.append(('decode two raw images', decode_ms, MOST_DECODE_MS))
    held.append(('fill the message of a mask', result['fill_mask_ms'], MOST_FILL_MS))
    return [
        {'what': what, 'p50_ms': value, 'target_ms': most, 'met': value <= most}
        for what, value, most in held
    ]


def print_table(result: dict[str, Any]) -> None:
    """Print the targets, then one column for each rate of the camera."""
    console = Console()
    tables = ('rates', 'targets')
    console.print({key: value for key, value in result.items() if key not in tables})
    table = Table('target', 'p50 ms', 'at most', '')
    for target in result['targets']:
        numbers = (str(target[name]) for name in ('p50_ms', 'target_ms'))
        table.add_row(target['what'], *numbers, 'met' if target['met'] else 'MISSED')
    console.print(table)
    table = Table('', *(f'{row["camera_hz"]} Hz' for row in result['rates']))
    for key in (name for name in result['rates'][0] if name != 'lost'):
        table.add_row(key, *(str(row[key]) for row in result['rates']))
    reasons = sorted({reason for row in result['rates'] for reason in row['lost']})
    for reason in reasons:
        table.add_row(
            f'lost: {reason}', *(str(row['lost'].get(reason, 0)) for row in result['rates'])
        )
    console.print(table)


if __name__ == '__main__':
    sys.exit(main())
