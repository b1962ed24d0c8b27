"""How fast the CPU engine is, against the network as one would first write it.

Five contenders take turns, so that what else the machine does hits all of them alike: eager
PyTorch of the plain network, its ONNX in OpenVINO in float32 and bf16, and ours in both. The
plain ones get normalized images and give logits; ours decodes, normalizes and labels as well.

    python benchmarks/engine.py [--networks b0 b2] [--sizes 480x640 240x320] [--json]
"""

from __future__ import annotations

import argparse
from dataclasses import replace
import io
import json
from pathlib import Path
import platform
import statistics
import sys
import tempfile
from time import perf_counter
from typing import Any, TYPE_CHECKING
import warnings

import numpy as np
import openvino as ov
from plain_network import PlainNetwork
import torch

from m3l_core import checkpoint
from m3l_core.architecture import Architecture
from m3l_core.classes import NYU13
from m3l_core.commands.export import parse_size
from m3l_core.errors import M3lError
from m3l_core.export.frames import real_frames
from m3l_core.export.onnx import deployment_graph, resized_card
from m3l_core.model_card import ModelCard
from m3l_core.models import default_model
from m3l_core.network import LinearFusion
from m3l_core.network.inputs import InputEncoder
from m3l_core.preprocess import Letterbox
from m3l_core.runtime import open_engine
from m3l_core.samples import sample_bag

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

RUNS = 5
REPEATS = 5
WARM_UP = 3
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


def main() -> int:
    """Measure and print a table or JSON."""
    arguments = parse_arguments()
    warnings.simplefilter('ignore')
    torch.set_num_threads(arguments.threads or torch.get_num_threads())
    cpu = processor()
    headline = 'bf16' if 'amx_bf16' in cpu['flags'] else 'float32'
    results = {}
    try:
        for network in arguments.networks:
            for size in arguments.sizes:
                print(f'measuring {network} at {size} ...', file=sys.stderr)
                results[f'{network} {size}'] = measure(network, size, arguments)
    except M3lError as error:
        print(f'engine.py: {error}', file=sys.stderr)
        return 2
    if arguments.json:
        first = next(iter(results.values()))
        summary = {'precision': headline, **first[headline], 'cpu': cpu}
        print(json.dumps({**summary, 'configurations': results}))
    else:
        print_table(results, cpu, headline)
    return 0


def parse_arguments() -> argparse.Namespace:
    """Return what to measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--networks', nargs='+', default=['b0', 'b2'], metavar='b0')
    parser.add_argument('--sizes', nargs='+', default=['480x640', '240x320'], metavar='HxW')
    parser.add_argument(
        '--weights', type=Path, help='checkpoint (default: the model that comes along, for b0)'
    )
    parser.add_argument('--frames', type=Path, help='folder or bag (default: the sample bag)')
    parser.add_argument('--threads', type=int, default=0, help='0 for all')
    parser.add_argument('--json', action='store_true', help='one JSON object instead of a table')
    return parser.parse_args()


def measure(network: str, size_text: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return ratios, agreement and times of our graph, by precision."""
    model, card = weights(network, arguments.weights)
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
    times = interleaved(contenders)
    return {
        precision: {
            'ratio_eager': ratio(times['eager'], times[f'ours {precision}']),
            'ratio_plain_onnx': ratio(times['plain float32'], times[f'ours {precision}']),
            'ratio_same_precision': ratio(times[f'plain {precision}'], times[f'ours {precision}']),
            'label_agreement': agreement(
                contenders['eager'], contenders[f'ours {precision}'], len(images)
            ),
            'p50_ms': round(statistics.median(times[f'ours {precision}']), 2),
            'p50_plain_ms': round(statistics.median(times[f'plain {precision}']), 2),
            'p50_eager_ms': round(statistics.median(times['eager']), 2),
        }
        for precision in ours
    }


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


def interleaved(contenders: dict[str, Callable[[int], object]]) -> dict[str, list[float]]:
    """Return the median time in ms of each contender in each run, all taking turns."""
    for run in contenders.values():
        for index in range(WARM_UP):
            run(index % FRAMES)
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(RUNS):
        for name, run in contenders.items():
            laps = []
            for index in range(REPEATS):
                start = perf_counter()
                run(index % FRAMES)
                laps.append(1e3 * (perf_counter() - start))
            times[name].append(statistics.median(laps))
    return times


def ratio(slow: list[float], fast: list[float]) -> float:
    """Return the median over the runs of how many times as long `slow` takes."""
    return round(statistics.median(s / f for s, f in zip(slow, fast, strict=True)), 2)


def agreement(plain: Callable[[int], Any], ours: Callable[[int], Any], count: int) -> float:
    """Return the share of pixels where ours gives the label of eager float32."""
    shares = [np.mean(plain(i)[0].argmax(0) == ours(i)[0][0]) for i in range(count)]
    return round(float(np.mean(shares)), 5)


def processor() -> dict[str, Any]:
    """Return the name of the CPU, its cores and those flags that matter here."""
    info: dict[str, str] = {}
    path = Path('/proc/cpuinfo')
    if path.is_file():
        lines = (line.partition(':') for line in path.read_text().splitlines())
        info = {key.strip(): value.strip() for key, _, value in lines}
    flags = [f for f in info.get('flags', '').split() if f.startswith(('avx', 'amx', 'fma'))]
    return {
        'model': info.get('model name', platform.processor()),
        'threads': torch.get_num_threads(),
        'flags': flags,
    }


def print_table(results: dict[str, Any], cpu: dict[str, Any], headline: str) -> None:
    """Print the results, and the targets beside those they are for."""
    print(f'{cpu["model"]}, {cpu["threads"]} threads, {" ".join(cpu["flags"])}')
    print(f'median of {RUNS} interleaved runs; this machine is held to {headline}')
    print(
        f'{"":12} {"":8} {"p50 ms":>8} {"x eager":>8} {"x plain":>8} {"x same":>8} '
        f'{"labels":>8}  target'
    )
    for name, precisions in results.items():
        for precision, row in precisions.items():
            target = ''
            if precision == headline:
                network, size = name.split()
                key = (precision, network, size)
                target = targets_text(TARGETS.get(key) or FLOAT32_TARGETS.get(size))
            print(
                f'{name:12} {precision:8} {row["p50_ms"]:8.1f} {row["ratio_eager"]:8.2f} '
                f'{row["ratio_plain_onnx"]:8.2f} {row["ratio_same_precision"]:8.2f} '
                f'{row["label_agreement"]:8.2%}  {target}'
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
