"""Check a data set of labelled images, or pack it into one small file.

`check` reads every image and says what is there and what is wrong; `pack` makes a zip file of
smaller images, which trains as the folder does, for a machine at the end of a narrow link.
Both take a folder with rgb/, depth/, labels/ and card.yaml, rendered rooms, or NYUv2. Examples:

  m3l data check mine --sheet mine.png
  m3l data pack nyuv2 nyuv2.zip --size 240x320 --max-mib 55
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
import re
from typing import TYPE_CHECKING

from m3l_core.errors import DataError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from m3l_core.data.check import Check

SOMETHING_IS_WRONG = 1

_ON_SHEET = 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `check` and `pack`."""
    actions = parser.add_subparsers(
        title='actions', dest='action', metavar='ACTION', required=True
    )
    check = actions.add_parser(
        'check',
        help='say what a data set holds and what is wrong with it',
        description='Exit with 1 if something is wrong. Nothing is written but the sheet.',
    )
    pack = actions.add_parser(
        'pack',
        help='put a data set, made smaller, into one file',
        description='Color becomes JPEG, depth 16-bit PNG in millimeters, labels 8-bit PNG.',
    )
    for action in (check, pack):
        action.add_argument('folder', type=Path, metavar='FOLDER', help='the data set')
        action.add_argument(
            '--classes', choices=('nyu13', 'nyu40'), help='labels of NYUv2 (default: nyu13)'
        )
        action.add_argument(
            '--workers', type=int, default=2, metavar='W', help='threads (default: 2)'
        )
    check.add_argument(
        '--sheet', type=Path, metavar='FILE.png', help='also draw a contact sheet there'
    )
    pack.add_argument('out', type=Path, metavar='OUT', help='the file to write, such as set.zip')
    pack.add_argument(
        '--size', default='240x320', metavar='HxW', help='largest size (default: 240x320)'
    )
    pack.add_argument('--max-mib', type=float, metavar='M', help='largest file, in MiB')
    pack.add_argument(
        '--split', default='trainval', help='train, val, trainval (default), test or all'
    )
    pack.add_argument(
        '--frames', type=int, metavar='N', help='take N frames, evenly spread (default: all)'
    )
    pack.add_argument('--force', action='store_true', help='replace a file that is there already')


def run(arguments: argparse.Namespace) -> int:
    """Check or pack."""
    if arguments.workers < 1:
        raise DataError(f'--workers: expected at least 1, got {arguments.workers}.')
    return _check(arguments) if arguments.action == 'check' else _pack(arguments)


def _check(arguments: argparse.Namespace) -> int:
    from m3l_core.data.check import check
    from m3l_core.data.opening import open_samples

    folder = open_samples(arguments.folder, 'all', classes=arguments.classes, labeled=False)
    with _progress('checking', len(folder)) as advance:
        found = check(folder, threads=arguments.workers, on_image=advance)
    _print(found)
    if arguments.sheet is not None:
        _draw(found, arguments.sheet)
    return SOMETHING_IS_WRONG if found.problems else 0


def _print(found: Check) -> None:
    folder = found.folder
    splits = folder.splits
    sizes = ', '.join(f'{h}x{w} ({count})' for (h, w), count in found.sizes.most_common(4))
    median = 'no reading' if found.median_m is None else f'median {found.median_m:.2f} m'
    print(
        f'{folder.root}: {folder.name}, {len(found.images)} images, {len(folder.classes)} classes'
    )
    print(f'  splits  train {len(splits.train)}, val {len(splits.val)}, test {len(splits.test)}')
    print(f'  sizes   {sizes or "none"}')
    print(f'  depth   {median}, readings in {100 * found.seen:.1f} % of the pixels')
    print(f'  labels  no class in {100 * found.unlabeled:.1f} % of the pixels; of the others:')
    pixels = found.pixels
    total = max(1, int(pixels.sum()))
    for name, count, images in zip(folder.classes.names, pixels, found.images_with, strict=True):
        print(f'    {name:<20}{100 * count / total:6.2f} %  in {images} images')
    for remark in found.remarks:
        print(f'remark: {remark}')
    for problem in found.problems:
        print(f'WRONG: {problem}')
    print(f'{len(found.problems)} kinds of problems' if found.problems else 'nothing is wrong')


def _draw(found: Check, path: Path) -> None:
    from m3l_core.data.sheet import contact_sheet
    from m3l_core.data.splits import spread
    from m3l_core.files import write_atomically
    from m3l_core.stream.image_codec import encode_png

    good = [index for index, image in enumerate(found.images) if not image.faults]
    samples = [found.folder.read(index) for index in spread(good, _ON_SHEET)]
    write_atomically(path, encode_png(contact_sheet(samples, found.folder.classes)))
    print(f'contact sheet: {path}')


def _pack(arguments: argparse.Namespace) -> int:
    from m3l_core.data.opening import open_samples
    from m3l_core.data.pack import pack, Packing

    packing = Packing(
        size=_size(arguments.size), frames=arguments.frames, max_mib=arguments.max_mib
    )
    if arguments.out.exists() and not arguments.force:
        raise DataError(f'{arguments.out}: is there already. Give --force to replace it.')
    folder = open_samples(
        arguments.folder, arguments.split, classes=arguments.classes, labeled=False
    )
    count = len(packing.chosen(folder))
    with _progress('packing', count) as advance:
        size = pack(folder, arguments.out, packing, threads=arguments.workers, on_image=advance)
    print(f'{arguments.out}: {count} images, {size / (1 << 20):.1f} MiB')
    return 0


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r'(\d+)x(\d+)', text)
    if match is None:
        raise DataError(f'--size: expected HEIGHTxWIDTH such as 240x320, got {text!r}.')
    return int(match[1]), int(match[2])


@contextmanager
def _progress(about: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a bar on a terminal; yield what moves it by one."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress

    console = Console(stderr=True)
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        bar = progress.add_task(about, total=total)
        yield lambda: progress.advance(bar)
