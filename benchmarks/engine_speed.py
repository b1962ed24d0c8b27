"""How long each contender takes, in turns, and what the machine could do at best."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
import statistics
import sys
import tempfile
from time import perf_counter, process_time
from typing import Any, TYPE_CHECKING

from engine_contenders import all_contenders, PRECISIONS
from engine_subject import card_at, FRAMES, load_images, load_network, SHIPPED
import numpy as np

from m3l_core.bench.machine import copy_rate, processor
from m3l_core.bench.work import count_work, Limit
from m3l_core.export.onnx import deployment_graph
from m3l_core.runtime.openvino_engine import product_rate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine_contenders import Contender

    from m3l_core.bench.work import Work

RUNS = 5
REPEATS = 3
WARM_UP = 2


def timed(
    networks: Sequence[str],
    sizes: Sequence[str],
    *,
    weights: Path | None,
    frames: Path,
    threads: int,
    in_cpu_time: bool,
) -> dict[str, Any]:
    """Return the times of all configurations, and what this machine can do at best."""
    cpu = processor()
    headline = 'bf16' if 'amx_bf16' in cpu.flags else 'float32'
    clock = process_time if in_cpu_time else perf_counter
    rates = {p: product_rate(p, threads, clock=clock) for p in PRECISIONS}
    bandwidth = copy_rate(threads)
    results: dict[str, Any] = {}
    for network in networks:
        for size in sizes:
            if size == SHIPPED and network != 'b0':
                continue
            print(f'measuring {network} at {size} ...', file=sys.stderr)
            rows, work = measured(network, size, weights, frames, threads, clock)
            for precision, row in rows.items():
                limit = Limit.of(work, precision, rates[precision], bandwidth)
                row['limit_ms'] = round(limit.milliseconds, 2)
                row['limit_reached'] = round(limit.milliseconds / row['p50_ms'], 3)
            billions = round(work.operations / 1e9, 2)
            results[f'{network} {size}'] = {**rows, 'billion_operations': billions}
    first = next(iter(results.values()))
    return {
        'precision': headline,
        **first[headline],
        'cpu': {
            'model': cpu.model,
            'threads': threads or cpu.threads,
            'clock': 'cpu' if in_cpu_time else 'wall',
            'flags': cpu.flags,
            'product_gflops': {p: round(rate / 1e9, 1) for p, rate in rates.items()},
            'copy_gb_per_s': round(bandwidth / 1e9, 1),
        },
        'runs': RUNS,
        'configurations': results,
    }


def measured(
    network: str,
    size: str,
    weights: Path | None,
    frames: Path,
    threads: int,
    clock: Callable[[], float],
) -> tuple[dict[str, dict[str, Any]], Work]:
    """Return ratios, agreement and times of our graph, by precision, and its work."""
    model, card = load_network(network, weights)
    card = card_at(replace(card, calibration=None), size)  # the plain network knows of none
    images = load_images(card, frames)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'ours.onnx'
        path.write_bytes(deployment_graph(model, card).SerializeToString())
        work = count_work(path)
        contenders = all_contenders(model, card, path, images, threads)
    times = interleaved(contenders, clock)
    rows = {precision: _row(times, precision) for precision in PRECISIONS}
    for precision, row in rows.items():
        # The plain network's logits end at its own size.
        row['label_agreement'] = (
            agreement(contenders['eager'], contenders[f'ours {precision}'], len(images))
            if card.network_size == card.image_size
            else None
        )
    return rows, work


def _row(times: dict[str, list[float]], precision: str) -> dict[str, Any]:
    """Return what our graph takes in a precision, alone and against the others."""
    mine = times[f'ours {precision}']
    return {
        'ratio_eager': ratio(times['eager'], mine),
        'ratio_plain_onnx': ratio(times['plain float32'], mine),
        'ratio_same_precision': ratio(times[f'plain {precision}'], mine),
        'p50_ms': round(statistics.median(mine), 2),
        'p50_plain_ms': round(statistics.median(times[f'plain {precision}']), 2),
        'p50_eager_ms': round(statistics.median(times['eager']), 2),
    }


def interleaved(
    contenders: dict[str, Contender], clock: Callable[[], float]
) -> dict[str, list[float]]:
    """Return the median time in ms of each contender in each run, all taking turns."""
    for run in contenders.values():
        for index in range(WARM_UP):
            run(index % FRAMES)
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(RUNS):
        for name, run in contenders.items():
            laps = []
            for index in range(REPEATS):
                start = clock()
                run(index % FRAMES)
                laps.append(1e3 * (clock() - start))
            times[name].append(statistics.median(laps))
    return times


def ratio(slow: list[float], fast: list[float]) -> float:
    """Return the median over the runs of how many times as long `slow` takes."""
    return round(statistics.median(s / f for s, f in zip(slow, fast, strict=True)), 2)


def agreement(plain: Contender, ours: Contender, count: int) -> float:
    """Return the share of pixels where ours gives the label of eager float32."""
    shares = [np.mean(plain(i)[0].argmax(0) == ours(i)[0][0]) for i in range(count)]
    return round(float(np.mean(shares)), 5)
