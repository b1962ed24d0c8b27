"""Label one color image, one depth image, or both.

Writes OUT/labels.png (class indices) and OUT/overlay.png, and prints the classes and their
shares. Depth is a 16-bit PNG in millimeters, registered to color; give - for an image that is
not there.
"""

from __future__ import annotations

from pathlib import Path
import sys
from typing import TYPE_CHECKING

from m3l_core.errors import ConfigError, DataError, FrameError

if TYPE_CHECKING:
    import argparse

    from m3l_core.frames import RgbdFrame
    from m3l_core.model_card import ModelCard
    from m3l_core.runtime import Segmentation

_ABSENT = '-'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument('image', metavar='IMAGE', help='color image (JPEG, PNG), or -')
    parser.add_argument(
        'depth', metavar='DEPTH', nargs='?', default=_ABSENT, help='depth image, or - (default)'
    )
    parser.add_argument(
        '-o', '--out', type=Path, required=True, metavar='OUT', help='folder for the results'
    )
    parser.add_argument(
        '--model', type=Path, help='model file (default: the one that comes along)'
    )
    parser.add_argument(
        '--backend', default='auto', help='auto (default), tensorrt, openvino or torch'
    )
    parser.add_argument(
        '--precision', default='auto', help='auto (default), float32, float16 or bf16'
    )


def run(arguments: argparse.Namespace) -> int:
    """Label the images and write the results."""
    from m3l_core.models import default_model
    from m3l_core.runtime import open_engine, Segmenter
    from m3l_core.runtime.cache_folder import cache_folder_if_any

    if arguments.out.exists() and not arguments.out.is_dir():
        raise ConfigError(f'--out: expected a folder, got the file {arguments.out}. Give another.')
    frame = _frame(arguments.image, arguments.depth)
    engine = open_engine(
        arguments.model or default_model(),
        arguments.backend,
        precision=arguments.precision,
        cache_dir=cache_folder_if_any(_say),
        say=_say,
        warn=_say,
    )
    segmentation = Segmenter(engine).segment(frame)
    _write(arguments.out, frame, segmentation, engine.card)
    print(f'{engine.card.name}, {engine.backend} {engine.precision}')
    print(_table(segmentation, engine.card))
    print(f'written: {arguments.out / "labels.png"}, {arguments.out / "overlay.png"}')
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _frame(image: str, depth: str) -> RgbdFrame:
    """Return the frame in two files, either of which may be absent.

    Raises:
        DataError: If a file is missing or no image, or the color image looks like depth.
        FrameError: If the images differ in size.
    """
    from m3l_core.data.samples import looks_like_depth, read_depth_mm, read_rgb
    from m3l_core.frames import meters, RgbdFrame

    if image == depth == _ABSENT:
        raise ConfigError('predict: expected a color or a depth image, got neither.')
    if image != _ABSENT and looks_like_depth(Path(image)):
        raise DataError(
            f'{image}: expected a color image, got 16 bits in one channel, which looks like '
            f'depth. Write: m3l predict {_ABSENT} {image}'
        )
    rgb = None if image == _ABSENT else read_rgb(Path(image))
    depth_m = None
    if depth != _ABSENT:
        depth_m = meters(read_depth_mm(Path(depth)))
    if rgb is not None and depth_m is not None and rgb.shape[:2] != depth_m.shape:
        (height, width), (rows, columns) = rgb.shape[:2], depth_m.shape
        raise FrameError(
            f'{depth}: expected {height}x{width} as {image} has, got {rows}x{columns}. '
            'Register depth to the color camera first.'
        )
    return RgbdFrame(rgb, depth_m)


def _write(out: Path, frame: RgbdFrame, segmentation: Segmentation, card: ModelCard) -> None:
    from m3l_core.files import write_atomically
    from m3l_core.overlay import overlay
    from m3l_core.stream.image_codec import encode_png

    picture = overlay(frame, segmentation.labels, card.classes)
    write_atomically(out / 'labels.png', encode_png(segmentation.labels))
    write_atomically(out / 'overlay.png', encode_png(picture))


def _table(segmentation: Segmentation, card: ModelCard) -> str:
    """Return the classes that were seen, the largest first."""
    import numpy as np

    counts = np.bincount(segmentation.labels.ravel(), minlength=len(card.classes))
    shares = counts / segmentation.labels.size
    lines = ['class         share  confidence']
    for index in np.argsort(-shares):
        if shares[index] == 0:
            break
        sure = segmentation.confidence[segmentation.labels == index].mean() / 255
        lines.append(f'{card.classes.names[index]:12} {shares[index]:6.1%}  {sure:10.0%}')
    return '\n'.join(lines)
