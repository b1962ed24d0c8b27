"""Make a rosbag2 bag out of a folder of images: `m3l bag make`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from m3l_core.terminal import progress_bars

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `m3l bag`."""
    actions = parser.add_subparsers(dest='action', required=True, metavar='ACTION')
    make = actions.add_parser(
        'make',
        help='make a rosbag2 bag (mcap) of a folder of RGB-D images',
        description='FOLDER holds NAME.color.jpg and NAME.depth.png (7-Scenes), or rgb/NAME.jpg, '
        'depth/NAME.png and, where there are labels, label40/NAME.png (NYU40 ids) or '
        'labels/NAME.png (class ids). Depth is 16-bit PNG in millimeters.',
    )
    make.add_argument('folder', type=Path, metavar='FOLDER')
    make.add_argument('bag', type=Path, metavar='BAG', help='folder to make')
    make.add_argument('--rate', type=float, default=30.0, metavar='HZ', help='default: 30')
    make.add_argument(
        '--transport',
        choices=('raw', 'compressed'),
        default='raw',
        help='raw: pixels (default); compressed: JPEG as it is, and compressedDepth',
    )
    make.add_argument('--force', action='store_true', help='replace a bag that is there already')


def run(arguments: argparse.Namespace) -> int:
    """Make the bag, with a progress bar."""
    from m3l_core.bags.making import make_bag

    with progress_bars(counted=True) as progress:
        bar = progress.add_task(arguments.bag.name, total=None)
        frames = make_bag(
            arguments.folder,
            arguments.bag,
            rate_hz=arguments.rate,
            transport=arguments.transport,
            force=arguments.force,
            on_frame=lambda done, total: progress.update(bar, completed=done, total=total),
        )
    seconds = frames / arguments.rate
    print(f'{arguments.bag}: {frames} frames, {seconds:.1f} s at {arguments.rate:g} Hz')
    return 0
