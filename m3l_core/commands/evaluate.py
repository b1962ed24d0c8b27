"""Score a model on labelled images, with and without each modality.

Prints, for NYUv2 in 13 classes and at label size, the mIoU with both modalities, with depth
missing and with RGB missing, and their mean, MM-Robust. Make every choice on val, and score
test once. Example:

  m3l evaluate nyuv2_b0.onnx --data nyuv2 --json val.json
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from m3l_core.evaluate import Evaluation


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        'model',
        type=Path,
        nargs='?',
        help='NAME.onnx or NAME.safetensors (default: the shipped network)',
    )
    parser.add_argument('--data', type=Path, required=True, help='folder of NYUv2')
    parser.add_argument('--split', default='val', help='val (default), test, train or trainval')
    parser.add_argument('--backend', default='auto', help='auto (default), openvino or torch')
    parser.add_argument('--precision', default='auto', help='auto (default), float32 or bf16')
    parser.add_argument('--json', type=Path, metavar='OUT', help='write every number there')


def run(arguments: argparse.Namespace) -> int:
    """Print the table; write the JSON file if asked to."""
    from rich.progress import track

    from m3l_core.classes import NYU13
    from m3l_core.data.nyuv2 import NyuV2
    from m3l_core.evaluate import evaluate
    from m3l_core.files import write_atomically
    from m3l_core.models import default_model
    from m3l_core.runtime import open_engine, Segmenter

    samples = NyuV2(arguments.data, arguments.split)
    model = arguments.model or default_model()
    engine = open_engine(model, arguments.backend, precision=arguments.precision)
    about = f'{model.name}, {engine.backend} {engine.precision}, NYUv2 {arguments.split}'
    progress = track(samples.once(), about, total=len(samples))
    result = evaluate(Segmenter(engine), progress, NYU13)
    _print(result, about)
    if arguments.json:
        about_run = {
            'model': model.name,
            'backend': engine.backend,
            'precision': engine.precision,
            'split': arguments.split,
        }
        text = json.dumps(about_run | result.to_dict(), indent=1)
        write_atomically(arguments.json, text.encode())
    return 0


def _print(result: Evaluation, title: str) -> None:
    from rich.console import Console
    from rich.table import Table

    from m3l_core.metrics import TRIVIAL_FLOOR_NYU13

    table = Table(title=f'{title}: IoU in %')
    for header in ('class', *result.matrices):
        table.add_column(
            header.replace('_', ' '), justify='left' if header == 'class' else 'right'
        )
    columns = [matrix.iou() for matrix in result.matrices.values()]
    for name, *values in zip(result.classes.names, *columns, strict=True):
        table.add_row(name, *(f'{value:.1f}' for value in values))
    table.add_section()
    table.add_row('mIoU', *(f'{value:.1f}' for value in result.mean_iou.values()))
    accuracies = (matrix.pixel_accuracy() for matrix in result.matrices.values())
    table.add_row('pixel accuracy', *(f'{value:.1f}' for value in accuracies))
    console = Console()
    console.print(table)
    console.print(
        f'MM-Robust {result.mm_robust:.1f} % over {result.images} images '
        f'(a network that looks at nothing reaches {TRIVIAL_FLOOR_NYU13} %)'
    )
