"""Fit how much color and depth count, and how sure the network is, to each mode.

Uses the images of the split val, and writes the result and the mIoU on them into the card of the
checkpoint, in place of its old scores; an export carries it. The network must not have learned
from these images: for one that was trained on trainval or all, fit the network of the same recipe
that was trained on train, and take its result. Example:

  m3l calibrate runs/a/a.safetensors --data nyuv2
  m3l calibrate runs/b/b.safetensors --like runs/a/a.safetensors
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from m3l_core.errors import ConfigError, ModelError

if TYPE_CHECKING:
    import argparse

    from m3l_core.calibrate import Fitted
    from m3l_core.model_card import ModelCard


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('model', type=Path, metavar='MODEL.safetensors', help='the checkpoint')
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument('--data', type=Path, help='labeled images; those of val are used')
    source.add_argument(
        '--like',
        type=Path,
        metavar='OTHER.safetensors',
        help='take the calibration of this checkpoint instead of fitting one',
    )
    parser.add_argument(
        '-o',
        '--out',
        type=Path,
        metavar='OUT.safetensors',
        help='the file to write (default: the checkpoint itself)',
    )


def run(arguments: argparse.Namespace) -> int:
    """Fit, print what it changed, and write."""
    from m3l_core.files import write_atomically
    from m3l_core.weights_file import read_weights_card, with_card

    out = arguments.out or arguments.model
    if out.suffix != '.safetensors':
        raise ConfigError(f'--out: expected a name that ends in .safetensors, got {out.name}.')
    card = read_weights_card(arguments.model)
    card = _taken(card, arguments.like) if arguments.like else _fitted(card, arguments)
    write_atomically(out, with_card(arguments.model.read_bytes(), card))
    print(f'written: {out}. Export it for the robot: m3l export {out} -o NAME.onnx')
    return 0


def _taken(card: ModelCard, like: Path) -> ModelCard:
    from m3l_core.weights_file import read_weights_card

    other = read_weights_card(like)
    if other.calibration is None:
        raise ModelError(f'{like}: has no calibration. Give it one: m3l calibrate {like} --data')
    if other.architecture != card.architecture or other.classes != card.classes:
        raise ModelError(
            f'{like}: expected a network of the same architecture and classes, got another. Take '
            'one that was trained by the same recipe.'
        )
    return card.recalibrated(other.calibration)


def _fitted(card: ModelCard, arguments: argparse.Namespace) -> ModelCard:
    from rich.progress import track

    from m3l_core.calibrate import calibrated, fit
    from m3l_core.checkpoint import load
    from m3l_core.data.matching import open_matching
    from m3l_core.evaluate.learned import has_learned_from_val

    samples = open_matching(arguments.data, 'val', card.classes)
    if has_learned_from_val(card, samples.name):
        raise ModelError(
            f'{arguments.model}: has learned from the images of val, on which it is surer than '
            'elsewhere. Fit the network of the same recipe that was trained on train, and take '
            'its calibration with --like.'
        )
    model, _ = load(arguments.model)
    about = f'{arguments.model.name}, {samples.name} val'
    fitted = fit(model, card, track(samples.once(), about, total=len(samples)))
    _print(fitted, about)
    return calibrated(card, fitted)


def _print(fitted: dict[str, Fitted], title: str) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f'{title}, before -> after')
    for header in ('mode', 'color counts', 'mIoU %', 'temperature', 'ECE %'):
        table.add_column(header, justify='left' if header == 'mode' else 'right')
    for name, mode in fitted.items():
        before, after = mode.before, mode.after
        table.add_row(
            name.replace('_', ' '),
            f'{before.rgb_share:.2f} -> {after.rgb_share:.2f}',
            '{:.1f} -> {:.1f}'.format(*mode.mean_iou),
            f'{before.temperature:.2f} -> {after.temperature:.2f}',
            '{:.1f} -> {:.1f}'.format(*(100 * error for error in mode.calibration_error)),
        )
    Console().print(table)
