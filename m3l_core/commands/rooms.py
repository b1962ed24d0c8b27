"""Render furnished rooms with their labels, as a training set or as the sample bag."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from m3l_core.errors import DataError
from m3l_core.image_size import parse_size
from m3l_core.terminal import progress_bars

if TYPE_CHECKING:
    import argparse

    from rich.progress import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `m3l rooms`."""
    parser.description = (
        'Render N frames of furnished rooms into OUT/rgb, OUT/depth (uint16 millimeters, 0 = no\n'
        'reading) and OUT/labels (13 classes of NYUv2). Frames that are there are kept, so a\n'
        'stopped run goes on. Needs MuJoCo and EGL or OSMesa, but no screen.'
    )
    parser.add_argument('frames', type=int, nargs='?', metavar='N', help='frames to render')
    parser.add_argument('out', type=Path, nargs='?', metavar='OUT', help='folder of the set')
    parser.add_argument('--seed', type=int, default=0, help='of layouts, textures, cameras')
    parser.add_argument('--size', default='240x320', metavar='HxW', help='default: 240x320')
    parser.add_argument('--workers', type=int, default=1, metavar='W', help='default: 1 process')
    parser.add_argument(
        '--bag', type=Path, metavar='BAG', help='render the sample bag instead of a set'
    )
    parser.add_argument('--force', action='store_true', help='replace a bag that is there already')


def run(arguments: argparse.Namespace) -> int:
    """Render, with a progress bar."""
    with progress_bars(counted=True) as progress:
        if arguments.bag is not None:
            return _record(arguments, progress)
        return _render(arguments, progress)


def _record(arguments: argparse.Namespace, progress: Progress) -> int:
    from m3l_core.rooms.recording import RATE_HZ, record

    if arguments.frames is not None:
        raise DataError('rooms: expected N OUT or --bag BAG, got both. Give one of them.')
    bar = progress.add_task(arguments.bag.name, total=None)
    frames = record(
        arguments.bag,
        force=arguments.force,
        on_frame=lambda done, total: progress.update(bar, completed=done, total=total),
    )
    print(f'{arguments.bag}: {frames} frames, {frames / RATE_HZ:.1f} s at {RATE_HZ} Hz')
    return 0


def _render(arguments: argparse.Namespace, progress: Progress) -> int:
    from m3l_core.rooms.training_set import render_set, RoomSet

    if arguments.frames is None or arguments.out is None:
        raise DataError('rooms: expected N OUT or --bag BAG, got neither. See: m3l rooms --help')
    if arguments.workers < 1:
        raise DataError(f'--workers: expected at least 1, got {arguments.workers}.')
    rooms = RoomSet(arguments.out, arguments.frames, arguments.seed, parse_size(arguments.size))
    bar = progress.add_task(arguments.out.name, total=rooms.frames)
    rendered = render_set(
        rooms,
        workers=arguments.workers,
        on_frames=lambda done: progress.update(bar, completed=done),
    )
    print(f'{rooms.folder}: {rooms.frames} frames, {rendered} of them rendered now')
    return 0
