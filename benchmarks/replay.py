"""How fast a replay is against its engine alone, and whether memory grows with the bag.

    python benchmarks/replay.py                    frames per second, on a bag made of 7-Scenes
    python benchmarks/replay.py --memory 100 3000  peak memory on bags of so many frames

Each measurement is a process of its own. `engine` labels the same decoded frame over and over, as
the node does, and `streams` several at a time, as a replay does; `replay` reads, pairs, decodes,
judges, labels and records. Runs alternate, medians are told.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor
import json
from pathlib import Path
import resource
from statistics import median
import subprocess
import sys
import tempfile
from time import perf_counter
from typing import Any, TYPE_CHECKING

import numpy as np

from m3l_core.bags.making import START_NS
from m3l_core.bags.reading import Bag
from m3l_core.bags.topics import find_topics, RgbdTopics
from m3l_core.bags.writing import BagWriter, Transport
from m3l_core.models import default_model
from m3l_core.replay.bags import engine_for
from m3l_core.replay.parameters import read_parameters
from m3l_core.replay.run import replay
from m3l_core.replay.scenario import Scenario
from m3l_core.replay.setting import Options, Replayed
from m3l_core.runtime import open_engine, Segmenter
from m3l_core.samples import sample_bag
from m3l_core.stream.decoding import decode

if TYPE_CHECKING:
    from m3l_core.frames import RgbdFrame

SIZE = (480, 640)
WARM = 10
OPTIONS = Options(compare_every=0, truth='none')


def main() -> int:
    """Measure what is asked for; each part in a fresh process."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--bag', type=Path, help='default: the sample bag that is shipped')
    parser.add_argument('--memory', type=int, nargs='+', metavar='FRAMES')
    parser.add_argument('--runs', type=int, default=5)
    parser.add_argument('--model', type=Path, default=default_model())
    parser.add_argument('--measure', choices=tuple(MEASURED), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(MEASURED[arguments.measure](arguments.bag, arguments.model)))
        return 0
    if arguments.memory:
        compare_memory(arguments.memory, arguments.model)
    else:
        compare_speed(arguments.bag or sample_bag(), arguments.model, arguments.runs)
    return 0


def compare_speed(bag: Path, model: Path, runs: int) -> None:
    """Print frames per second of engine and replay, alternating."""
    rates: dict[str, list[float]] = {name: [] for name in MEASURED}
    for number in range(runs):
        for name, found in rates.items():
            found.append(in_process(name, bag, model)['hz'])
            print(f'run {number + 1}: {name} {found[-1]:.1f} frames/s', file=sys.stderr)
    engine, streams, replay_hz = (median(found) for found in rates.values())
    ratios = [r / e for e, r in zip(rates['engine'], rates['replay'], strict=True)]
    print(
        f'{bag.name}: engine alone {engine:.1f} frames/s ({streams:.1f} side by side), replay '
        f'{replay_hz:.1f}, {median(ratios):.0%} of it '
        f'(runs: {", ".join(f"{ratio:.0%}" for ratio in ratios)})'
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
    """Label a frame of a bag as often as the bag has frames, one after the other."""
    return labeled(path, Segmenter(open_engine(model)))


def side_by_side(path: Path, model: Path) -> dict[str, Any]:
    """Do the same in as many threads as a replay has."""
    parameters = read_parameters(None, {'model': str(model)})
    return labeled(path, Segmenter(engine_for(parameters, OPTIONS, tell)))


def labeled(path: Path, segmenter: Segmenter) -> dict[str, Any]:
    """Return how many frames a second a network labels."""
    with Bag(path) as bag:
        topics = find_topics(bag)
        count = bag.topics[topics.rgb].count
        frame = first_frame(bag, topics)
    with ThreadPoolExecutor(segmenter.engine.streams) as threads:
        list(threads.map(segmenter.segment, [frame] * WARM))
        start = perf_counter()
        list(threads.map(segmenter.segment, [frame] * count))
    return {'hz': count / (perf_counter() - start)}


def replayed(path: Path, model: Path) -> dict[str, Any]:
    """Replay a bag; the engine is loaded and warm before."""
    parameters = read_parameters(None, {'model': str(model)})
    segmenter = Segmenter(engine_for(parameters, OPTIONS, tell))
    with Bag(path) as bag, tempfile.TemporaryDirectory() as folder:
        topics = find_topics(bag)
        with ThreadPoolExecutor(segmenter.engine.streams) as threads:
            list(threads.map(segmenter.segment, [first_frame(bag, topics)] * WARM))
        setting = Replayed(bag, topics, segmenter, parameters, OPTIONS)
        start = perf_counter()
        summary = replay(setting, Scenario(), Path(folder))
        seconds = perf_counter() - start
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {'hz': summary['frames'] / seconds, 'peak_mb': peak_mb}


def tell(warning: str) -> None:
    """Say what is wrong with the engine."""
    print(f'replay.py: {warning}', file=sys.stderr)


MEASURED = {'engine': engine_alone, 'streams': side_by_side, 'replay': replayed}


def first_frame(bag: Bag, topics: RgbdTopics) -> RgbdFrame:
    """Return the first images of a bag."""
    images: dict[str, Any] = {}
    for message in bag.messages([topics.rgb, topics.depth]):
        images.setdefault(message.topic, message.message)
        if len(images) == 2:
            break
    return decode(images[topics.rgb], images[topics.depth]).frame


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
