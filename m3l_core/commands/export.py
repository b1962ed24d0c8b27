"""Export a checkpoint as one ONNX file: images in, labels out.

The file is written only after its labels were compared with the checkpoint's on real frames.
"""

from __future__ import annotations

from pathlib import Path
import sys
from typing import TYPE_CHECKING

from m3l_core.architecture import SMALLEST_SIDE
from m3l_core.errors import ConfigError
from m3l_core.image_size import parse_size

if TYPE_CHECKING:
    import argparse

    from m3l_core.model_card import ActivationRanges


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument('model', type=Path, metavar='MODEL.safetensors', help='the checkpoint')
    parser.add_argument(
        '-o', '--out', type=Path, required=True, metavar='OUT.onnx', help='the file to write'
    )
    parser.add_argument(
        '--size',
        metavar='HxW',
        help="size of the camera's images, such as 384x640 for 16:9 (default: the checkpoint's)",
    )
    parser.add_argument(
        '--frames',
        type=Path,
        metavar='FOLDER|BAG',
        help='real frames to compare on, at least 32 (default: the sample bag)',
    )


def run(arguments: argparse.Namespace) -> int:
    """Export, and print how well the engines agree."""
    size = None if arguments.size is None else parse_size(arguments.size, least=SMALLEST_SIDE)
    if arguments.out.suffix != '.onnx':
        raise ConfigError(f'--out: expected a name that ends in .onnx, got {arguments.out.name}.')
    from m3l_core.export.exporting import export

    card = export(
        arguments.model, arguments.out, size=size, frames=arguments.frames, say=_progress
    )
    if sys.stderr.isatty():
        print(file=sys.stderr)
    frames = card.parity.pop('frames')
    print(
        f'{arguments.out}: {arguments.out.stat().st_size / 1e6:.1f} MB, labels equal on {frames}'
    )
    for engine, modes in card.parity.items():
        shares = ', '.join(f'{mode} {values["total"]:.2f} %' for mode, values in modes.items())
        print(f'  {engine}: {shares}')
    if card.ranges is not None:
        _print_ranges(card.ranges)
    return 0


def _print_ranges(ranges: ActivationRanges) -> None:
    """Print what decides which operators TensorRT is to compute in FP16."""
    group, most = max(ranges.groups.items(), key=lambda item: item[1])
    print(f'  largest value {most:.4g} ({group}), on {ranges.frames}')


def _progress(text: str) -> None:
    """Show a changing line to a person, and nothing to a log."""
    if sys.stderr.isatty():
        print(f'\r\x1b[K{text}', end='', file=sys.stderr, flush=True)
