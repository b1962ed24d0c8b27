"""How fast the CPU engine is, against the network as one would first write it.

Five contenders take turns, so that what else the machine does hits all of them alike: eager
PyTorch of the plain network, its ONNX in OpenVINO in float32 and bf16, and ours in both. The
plain ones get normalized images and give logits; ours decodes, normalizes and labels as well.

Beside the times stands the limit: what the graph's products would take if this machine did
nothing but multiply at the rate of one large product, or nothing but copy memory. With --val, the
labels of every engine and precision are also compared with those of the network as it was trained.

    python benchmarks/engine.py [--networks b0 b2] [--sizes 480x640 240x320] [--json]
    python benchmarks/engine.py --val nyuv2
"""

from __future__ import annotations

import argparse
from dataclasses import replace
import io
import json
from pathlib import Path
import statistics
import sys
import tempfile
from time import perf_counter, process_time
from typing import Any, TYPE_CHECKING
import warnings

import numpy as np
import openvino as ov
from plain_network import PlainNetwork
import torch

from m3l_core import checkpoint
from m3l_core.architecture import Architecture
from m3l_core.bench.machine import copy_rate, processor
from m3l_core.bench.work import count_work, Limit
from m3l_core.classes import NYU13
from m3l_core.commands.export import parse_size
from m3l_core.data.matching import open_matching
from m3l_core.errors import M3lError
from m3l_core.export.frames import LabelledFrame, real_frames
from m3l_core.export.onnx import deployment_graph, resized_card
from m3l_core.export.parity import compare, expectations, Reference
from m3l_core.frames import RgbdFrame
from m3l_core.model_card import ModelCard
from m3l_core.models import default_model
from m3l_core.network import LinearFusion
from m3l_core.network.inputs import InputEncoder
from m3l_core.preprocess import Letterbox
from m3l_core.runtime import open_engine
from m3l_core.runtime.openvino_engine import product_rate
from m3l_core.samples import sample_bag

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

RUNS = 5
REPEATS = 3
WARM_UP = 2
FRAMES = 8
TARGETS = {  # eager and plain ONNX, from the design
    ('bf16', 'b0', '480x640'): (11, 3),
    ('bf16', 'b0', '240x320'): (11, None),
    ('bf16', 'b2', '480x640'): (10, 3),
    ('bf16', 'b2', '240x320'): (8, None),
}
"""Where bf16 is native in matrix units (AMX); elsewhere float32 counts, with those below."""

FLOAT32_TARGETS = {'480x640': (4, 1.4), '240x320': (4, None)}
OPENVINO_NAMES = {'float32': 'f32', 'bf16': 'bf16'}
SHIPPED = 'shipped'
"""In the place of a size: camera images of 480x640, of which the network sees 120x160."""

VALIDATED = (
    ('openvino', 'float32'),
    ('openvino', 'bf16'),
    ('torch', 'float32'),
    ('torch', 'float16'),
    ('torch', 'bf16'),
)
"""Engines of which labels are compared; float16 is what a GPU computes in."""


def main() -> int:
    """Measure and print a table or JSON."""
    arguments = parse_arguments()
    warnings.simplefilter('ignore')
    torch.set_num_threads(arguments.threads or torch.get_num_threads())
    try:
        summary = validated(arguments) if arguments.val else timed(arguments)
    except M3lError as error:
        print(f'engine.py: {error}', file=sys.stderr)
        return 2
    if arguments.json:
        print(json.dumps(summary))
    elif arguments.val:
        print_validation(summary)
    else:
        print_table(summary)
    return 0


def timed(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the times of all configurations, and what this machine can do at best."""
    cpu = processor()
    headline = 'bf16' if 'amx_bf16' in cpu.flags else 'float32'
    clock = process_time if arguments.cpu_time else perf_counter
    rates = {p: product_rate(p, arguments.threads, clock=clock) for p in OPENVINO_NAMES}
    bandwidth = copy_rate(arguments.threads)
    results = {}
    for network in arguments.networks:
        for size in arguments.sizes:
            if size == SHIPPED and network != 'b0':
                continue
            print(f'measuring {network} at {size} ...', file=sys.stderr)
            row = measure(network, size, arguments)
            work = row.pop('work')
            for precision, values in row.items():
                limit = Limit.of(work, precision, rates[precision], bandwidth)
                values['limit_ms'] = round(limit.milliseconds, 2)
                values['limit_reached'] = round(limit.milliseconds / values['p50_ms'], 3)
            row['billion_operations'] = round(work.operations / 1e9, 2)
            results[f'{network} {size}'] = row
    first = next(iter(results.values()))
    return {
        'precision': headline,
        **first[headline],
        'cpu': {
            'model': cpu.model,
            'threads': arguments.threads or cpu.threads,
            'clock': 'cpu' if arguments.cpu_time else 'wall',
            'flags': cpu.flags,
            'product_gflops': {p: round(rate / 1e9, 1) for p, rate in rates.items()},
            'copy_gb_per_s': round(bandwidth / 1e9, 1),
        },
        'configurations': results,
    }


def parse_arguments() -> argparse.Namespace:
    """Return what to measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--networks', nargs='+', default=['b0', 'b2'], metavar='b0')
    parser.add_argument(
        '--sizes',
        nargs='+',
        default=['480x640', '240x320', SHIPPED],
        metavar='HxW',
        help='of images and network alike; shipped: the sizes of the network that comes along',
    )
    parser.add_argument(
        '--weights', type=Path, help='checkpoint (default: the model that comes along, for b0)'
    )
    parser.add_argument('--frames', type=Path, help='folder or bag (default: the sample bag)')
    parser.add_argument(
        '--val', type=Path, metavar='DATA', help='compare labels on these validation images'
    )
    parser.add_argument('--threads', type=int, default=0, help='0 for all')
    parser.add_argument(
        '--cpu-time',
        action='store_true',
        help="count the CPU's time in one thread, for ratios on a machine that others use too",
    )
    parser.add_argument('--json', action='store_true', help='one JSON object instead of a table')
    arguments = parser.parse_args()
    if arguments.cpu_time:
        arguments.threads = 1
    return arguments


def measure(network: str, size_text: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return ratios, agreement and times of our graph, by precision, and its work."""
    model, card = weights(network, arguments.weights)
    card = replace(card, calibration=None)  # the plain network knows of none
    if size_text != SHIPPED:
        card = resized_card(card, parse_size(size_text))
        card = replace(card, network_size=card.image_size)
    images = frames(card, arguments.frames or sample_bag())
    plain = PlainNetwork(model)
    encoder = InputEncoder(card)
    with torch.inference_mode():
        pairs = [encoder(*(torch.from_numpy(i)[None] for i in pair)) for pair in images]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'ours.onnx'
        path.write_bytes(deployment_graph(model, card).SerializeToString())
        work = count_work(path)
        ours = {
            precision: open_engine(
                path, 'openvino', precision=precision, threads=arguments.threads
            )
            for precision in OPENVINO_NAMES
        }
    present = np.ones((1, 2), np.float32)
    plain_graph = plain_onnx(plain, pairs[0])
    contenders: dict[str, Callable[[int], object]] = {'eager': eager(plain, pairs)}
    for precision, engine in ours.items():
        contenders[f'plain {precision}'] = compiled(
            plain_graph, precision, arguments.threads, pairs
        )
        contenders[f'ours {precision}'] = lambda i, engine=engine: engine.run(
            images[i][0][None], images[i][1][None], present
        )
    times = interleaved(contenders, process_time if arguments.cpu_time else perf_counter)
    rows: dict[str, Any] = {
        precision: {
            'ratio_eager': ratio(times['eager'], times[f'ours {precision}']),
            'ratio_plain_onnx': ratio(times['plain float32'], times[f'ours {precision}']),
            'ratio_same_precision': ratio(times[f'plain {precision}'], times[f'ours {precision}']),
            # The plain network's logits end at its own size.
            'label_agreement': None
            if card.network_size != card.image_size
            else agreement(contenders['eager'], contenders[f'ours {precision}'], len(images)),
            'p50_ms': round(statistics.median(times[f'ours {precision}']), 2),
            'p50_plain_ms': round(statistics.median(times[f'plain {precision}']), 2),
            'p50_eager_ms': round(statistics.median(times['eager']), 2),
        }
        for precision in ours
    }
    return {**rows, 'work': work}


def validated(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return, by engine and mode, how trained weights agree with themselves before export."""
    model, card = weights('b0', arguments.weights)
    samples = open_matching(arguments.val, 'val', card.classes)
    images = [
        LabelledFrame(RgbdFrame(sample.rgb, sample.depth_m), sample.labels)
        for sample in samples.once()
    ]
    expected = expectations(Reference(model, card), images, say)
    engines = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'ours.onnx'
        path.write_bytes(deployment_graph(model, card).SerializeToString())
        checkpoint.save(path.with_suffix('.safetensors'), model, card)
        for backend, precision in VALIDATED:
            say(f'{backend} {precision}')
            source = path if backend == 'openvino' else path.with_suffix('.safetensors')
            engine = open_engine(source, backend, precision=precision, threads=arguments.threads)
            agreements = compare(engine, images, expected)
            engines[f'{backend} {precision}'] = {
                mode: {**a.summary(), 'miou': round(a.confusion.mean_iou(), 2)}
                for mode, a in agreements.items()
            }
    return {'model': card.name, 'images': len(images), 'engines': engines}


def say(text: str) -> None:
    """Tell a person what is going on."""
    if sys.stderr.isatty():
        print(f'\r\x1b[K{text}', end='', file=sys.stderr, flush=True)


def print_validation(summary: dict[str, Any]) -> None:
    """Print the agreement of every engine."""
    print(f'{summary["model"]}, {summary["images"]} validation images, against float32 as trained')
    print(f'{"":18} {"":10} {"same labels":>12} {"sure ones":>10} {"mIoU":>7} {"lost":>7}')
    for engine, modes in summary['engines'].items():
        for mode, row in modes.items():
            print(
                f'{engine:18} {mode:10} {row["total"]:11.3f}% {row["sure"]:9.3f}% '
                f'{row["miou"]:7.2f} {row["miou_loss"]:7.3f}'
            )


def weights(network: str, path: Path | None) -> tuple[LinearFusion, ModelCard]:
    """Return trained weights where there are some, else random ones, with their card."""
    architecture = Architecture.mit(network, num_classes=len(NYU13))
    shipped = default_model().with_suffix('.safetensors')
    if path is not None or shipped.is_file():
        model, card = checkpoint.load(path or shipped)
        if card.architecture == architecture:
            return model, card
    if path is not None:
        raise M3lError(f'{path}: holds no {network}. Name its network with --networks.')
    torch.manual_seed(0)
    card = ModelCard(name=f'random {network}', architecture=architecture, classes=NYU13)
    return LinearFusion(architecture).eval(), card


def frames(card: ModelCard, source: Path) -> list[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
    """Return real images at the size of the card."""
    images = []
    for labelled in real_frames(source, FRAMES):
        frame = labelled.frame
        assert frame.rgb is not None
        assert frame.depth_m is not None
        box = Letterbox.fit(frame.size, card.image_size)
        fill = [255 * mean for mean in card.rgb_mean]
        images.append((box.place_rgb(frame.rgb, fill), box.place_depth(frame.depth_m)))
    return images


def plain_onnx(plain: PlainNetwork, pair: tuple[torch.Tensor, torch.Tensor]) -> bytes:
    """Return the plain network as the exporter writes it, in float32."""
    file = io.BytesIO()
    inputs = tuple(torch.zeros(image.shape) for image in pair)
    torch.onnx.export(plain, inputs, file, dynamo=False, opset_version=17)  # type: ignore[arg-type]
    return file.getvalue()


def eager(
    plain: PlainNetwork, pairs: list[tuple[torch.Tensor, torch.Tensor]]
) -> Callable[[int], object]:
    """Return the plain network in eager PyTorch, as a function of the frame's number."""

    @torch.inference_mode()
    def run(index: int) -> object:
        return plain(*pairs[index]).numpy()

    return run


def compiled(
    graph: bytes,
    precision: str,
    threads: int,
    pairs: list[tuple[torch.Tensor, torch.Tensor]],
) -> Callable[[int], object]:
    """Return the plain network's ONNX in OpenVINO, with the options our engine uses."""
    core = ov.Core()
    options: dict[str, Any] = {
        'PERFORMANCE_HINT': 'LATENCY',
        'INFERENCE_PRECISION_HINT': OPENVINO_NAMES[precision],
    }
    if threads:
        options['INFERENCE_NUM_THREADS'] = threads
    request = core.compile_model(core.read_model(graph), 'CPU', options).create_infer_request()
    arrays = [[tensor.numpy() for tensor in pair] for pair in pairs]
    return lambda index: request.infer(arrays[index], share_inputs=True)


def interleaved(
    contenders: dict[str, Callable[[int], object]], clock: Callable[[], float]
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


def agreement(plain: Callable[[int], Any], ours: Callable[[int], Any], count: int) -> float:
    """Return the share of pixels where ours gives the label of eager float32."""
    shares = [np.mean(plain(i)[0].argmax(0) == ours(i)[0][0]) for i in range(count)]
    return round(float(np.mean(shares)), 5)


def print_table(summary: dict[str, Any]) -> None:
    """Print the results, and the targets beside those they are for."""
    cpu, headline = summary['cpu'], summary['precision']
    print(f'{cpu["model"]}, {cpu["threads"]} threads, {" ".join(cpu["flags"])}')
    at_best = ', '.join(f'{rate} in {p}' for p, rate in cpu['product_gflops'].items())
    print(f'one large product: {at_best} GFLOP/s; copy: {cpu["copy_gb_per_s"]} GB/s')
    print(f'median of {RUNS} interleaved runs, {cpu["clock"]} time; held to {headline}')
    print(
        f'{"":12} {"":8} {"p50 ms":>8} {"x eager":>8} {"x plain":>8} {"x same":>8} '
        f'{"labels":>8} {"limit ms":>9} {"reached":>8}  target'
    )
    for name, row in summary['configurations'].items():
        for precision in OPENVINO_NAMES:
            print_row(name, precision, row[precision], is_held=precision == headline)


def print_row(name: str, precision: str, row: dict[str, Any], *, is_held: bool) -> None:
    """Print one line of the table."""
    network, size = name.split()
    target = ''
    if is_held:
        target = targets_text(TARGETS.get((precision, network, size)) or FLOAT32_TARGETS.get(size))
    labels = row['label_agreement']
    print(
        f'{name:12} {precision:8} {row["p50_ms"]:8.1f} {row["ratio_eager"]:8.2f} '
        f'{row["ratio_plain_onnx"]:8.2f} {row["ratio_same_precision"]:8.2f} '
        f'{"" if labels is None else f"{labels:.2%}":>8} {row["limit_ms"]:9.1f} '
        f'{row["limit_reached"]:8.0%}  {target}'
    )


def targets_text(target: tuple[float, float | None] | None) -> str:
    """Return the ratios that are asked for, if any are."""
    if target is None:
        return ''
    over_eager, over_plain = target
    text = f'{over_eager} x eager'
    return text if over_plain is None else f'{text}, {over_plain} x plain'


if __name__ == '__main__':
    sys.exit(main())
