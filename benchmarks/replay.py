"""How fast a replay is against its engine alone, and whether memory grows with the bag.

    python benchmarks/replay.py                    frames per second, on a bag made of 7-Scenes
    python benchmarks/replay.py --memory 100 3000  peak memory on bags of so many frames

Each measurement is a process of its own. `engine` labels the same decoded frames over and over;
`replay` reads, pairs, decodes, judges, labels and records. Runs alternate, medians are told.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
import resource
from statistics import median
import subprocess
import sys
import tempfile
from time import perf_counter
from typing import Any

import numpy as np

from m3l_core.bags.making import START_NS
from m3l_core.bags.reading import Bag
from m3l_core.bags.topics import find_topics
from m3l_core.bags.writing import BagWriter, Transport
from m3l_core.models import default_model
from m3l_core.replay.bags import engine_for
from m3l_core.replay.parameters import read_parameters
from m3l_core.replay.records import TIMES
from m3l_core.replay.run import replay
from m3l_core.replay.scenario import Scenario
from m3l_core.replay.setting import Options, Replayed
from m3l_core.runtime import open_engine, Segmenter
from m3l_core.samples import sample_bag
from m3l_core.stream.decoding import decode

SIZE = (480, 640)


def main() -> int:
    """Measure what is asked for; each part in a fresh process."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--bag', type=Path, help='default: the sample bag that is shipped')
    parser.add_argument('--memory', type=int, nargs='+', metavar='FRAMES')
    parser.add_argument('--runs', type=int, default=5)
    parser.add_argument('--model', type=Path, default=default_model())
    parser.add_argument('--measure', choices=('engine', 'replay'), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measured = {'engine': engine_alone, 'replay': replayed}[arguments.measure]
        print(json.dumps(measured(arguments.bag, arguments.model)))
        return 0
    if arguments.memory:
        compare_memory(arguments.memory, arguments.model)
    else:
        compare_speed(arguments.bag or sample_bag(), arguments.model, arguments.runs)
    return 0


def compare_speed(bag: Path, model: Path, runs: int) -> None:
    """Print frames per second of engine and replay, alternating."""
    rates: dict[str, list[float]] = {'engine': [], 'replay': []}
    shares = []
    for number in range(runs):
        for name, found in rates.items():
            measured = in_process(name, bag, model)
            found.append(measured['hz'])
            if name == 'replay':
                shares.append(measured['engine_share'])
            print(f'run {number + 1}: {name} {found[-1]:.1f} frames/s', file=sys.stderr)
    ratios = [r / e for e, r in zip(rates['engine'], rates['replay'], strict=True)]
    print(
        f'{bag.name}: engine alone {median(rates["engine"]):.1f} frames/s, replay '
        f'{median(rates["replay"]):.1f}, {median(ratios):.0%} of it '
        f'(runs: {", ".join(f"{ratio:.0%}" for ratio in ratios)}); in replay, '
        f"{median(shares):.0%} of the time is the engine's"
    )


def compare_memory(counts: list[int], model: Path) -> None:
    """Print peak memory of replays of bags of raw VGA images."""
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            bag = noise_bag(Path(folder) / 'bag', count)
            found = in_process('replay', bag, model)
        print(f'{count} frames: peak memory {found["peak_mb"]:.0f} MB, {found["hz"]:.1f} frames/s')


def in_process(what: str, bag: Path, model: Path) -> dict[str, Any]:
    """Return what a fresh process measured."""
    command = [sys.executable, __file__, '--measure', what, '--bag', bag, '--model', model]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    measured: dict[str, Any] = json.loads(answer)
    return measured


def engine_alone(path: Path, model: Path) -> dict[str, Any]:
    """Label decoded frames of a bag as often as the bag has frames."""
    segmenter = Segmenter(open_engine(model))
    with Bag(path) as bag:
        topics = find_topics(bag)
        count = bag.topics[topics.rgb].count
        images: dict[str, Any] = {}
        for message in bag.messages([topics.rgb, topics.depth]):
            images.setdefault(message.topic, message.message)
            if len(images) == 2:
                break
    frame = decode(images[topics.rgb], images[topics.depth]).frame
    for _ in range(3):
        segmenter.segment(frame)
    start = perf_counter()
    for _ in range(count):
        segmenter.segment(frame)
    return {'hz': count / (perf_counter() - start)}


def replayed(path: Path, model: Path) -> dict[str, Any]:
    """Replay a bag; the engine is loaded and warm before."""
    options = Options(compare_every=0, truth='none')
    parameters = read_parameters(None, {'model': str(model)})
    segmenter = Segmenter(engine_for(parameters, options))
    with Bag(path) as bag, tempfile.TemporaryDirectory() as folder:
        topics = find_topics(bag)
        images = {}
        for message in bag.messages([topics.rgb, topics.depth]):
            images.setdefault(message.topic, message.message)
            if len(images) == 2:
                break
        for _ in range(3):
            segmenter.segment(decode(images[topics.rgb], images[topics.depth]).frame)
        setting = Replayed(bag, topics, segmenter, parameters, options)
        start = perf_counter()
        summary = replay(setting, Scenario(), Path(folder))
        seconds = perf_counter() - start
        times = [json.loads(line) for line in (Path(folder) / TIMES).open(encoding='utf-8')]
    engine_s = sum(line['engine_ms'] for line in times) / 1e3
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        'hz': summary['frames'] / seconds,
        'peak_mb': peak_mb,
        'engine_share': engine_s / seconds,
    }


def noise_bag(path: Path, count: int, transport: Transport = 'raw') -> Path:
    """Write a bag of moving noise at 30 Hz."""
    random = np.random.default_rng(0)
    rgb = random.integers(0, 255, (*SIZE, 3), np.uint8)
    depth_mm = random.integers(500, 4000, SIZE, np.uint16)
    with BagWriter(path, transport=transport) as writer:
        for index in range(count):
            stamp_ns = START_NS + round(index * 1e9 / 30)
            writer.write_rgb(np.roll(rgb, index, 1), stamp_ns)
            writer.write_depth(np.roll(depth_mm, index, 1), stamp_ns)
    return path


if __name__ == '__main__':
    sys.exit(main())
