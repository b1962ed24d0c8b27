"""Check a data set, pack it into one small file, or choose the few images to label.

`check` reads every image and says what is there and what is wrong; `pack` makes a zip file of
smaller images, which trains as the folder does, for a machine at the end of a narrow link;
`split` lists the images whose labels are used, or that are worth labeling first.
All take a folder with rgb/, depth/, labels/ and card.yaml, rendered rooms, what m3l extract wrote,
NYUv2, SUN RGB-D or Stanford 2D-3D-S; see docs/data.md. Examples:

  m3l data check mine --sheet mine.png
  m3l data pack nyuv2 nyuv2.zip --size 240x320 --max-mib 55
  m3l data split nyuv2 --labels 50 99 199 --seeds 3 --out lists
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from m3l_core.classes import PUBLISHED
from m3l_core.errors import DataError
from m3l_core.image_size import parse_size
from m3l_core.terminal import progress_bars

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from m3l_core.data.check import Check

SOMETHING_IS_WRONG = 1

_ON_SHEET = 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `check`, `pack` and `split`."""
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
    split = actions.add_parser(
        'split',
        help='list the few images whose labels are used, or that are to be labeled first',
        description='Write OUT/labels_COUNT_seed_SEED.txt. Of one seed, fewer images are among '
        'more; every class is in three of them, and they are spread over the scenes.',
    )
    for action in (check, pack, split):
        action.add_argument('folder', type=Path, metavar='FOLDER', help='the data set')
        action.add_argument(
            '--classes',
            choices=tuple(PUBLISHED),
            help='what labels shall mean (default: those of the data set; of NYUv2 nyu13)',
        )
    for action in (check, pack):
        action.add_argument(
            '--workers', type=int, default=2, metavar='W', help='threads (default: 2)'
        )
    check.add_argument(
        '--sheet', type=Path, metavar='FILE.png', help='also draw a contact sheet there'
    )
    _add_pack(pack)
    _add_split(split)
    for action in (pack, split):
        action.add_argument(
            '--force', action='store_true', help='replace a file that is there already'
        )


def _add_pack(pack: argparse.ArgumentParser) -> None:
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


def _add_split(split: argparse.ArgumentParser) -> None:
    split.add_argument(
        '--labels', type=int, nargs='+', required=True, metavar='N', help='how many images'
    )
    split.add_argument(
        '--seeds', type=int, default=1, metavar='S', help='make lists for seeds 0 to S-1 (1)'
    )
    split.add_argument(
        '--split', default='train', help='choose from train (default), trainval or all'
    )
    split.add_argument(
        '--out', type=Path, required=True, metavar='DIR', help='folder to write the lists into'
    )


def run(arguments: argparse.Namespace) -> int:
    """Check, pack or split."""
    if arguments.action == 'split':
        return _split(arguments)
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
    without = sum(folder.files(name).labels is None for name in splits.every)
    if without:
        print(f'  labels  none for {without} of the images')
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
        size=parse_size(arguments.size), frames=arguments.frames, max_mib=arguments.max_mib
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


def _split(arguments: argparse.Namespace) -> int:
    from m3l_core.data.label_lists import write_label_lists
    from m3l_core.data.opening import open_samples
    from m3l_core.data.scenes import images_of_scenes

    if arguments.seeds < 1:
        raise DataError(f'--seeds: expected at least 1, got {arguments.seeds}.')
    folder = open_samples(
        arguments.folder, arguments.split, classes=arguments.classes, labeled=False
    )
    with _progress('reading labels', len(folder)) as advance:
        lists = write_label_lists(
            folder,
            arguments.labels,
            range(arguments.seeds),
            arguments.out,
            force=arguments.force,
            on_image=advance,
        )
    all_of_them = images_of_scenes(len(folder), len(set(folder.scenes)))
    print(f'{folder.root}: {folder.name}, {all_of_them}')
    for made in lists:
        about = f', rarest {made.rarest} in {made.shown}' if made.rarest else ''
        print(f'  {made.path}: {images_of_scenes(made.count, made.scenes)}{about}')
    return 0


@contextmanager
def _progress(about: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a bar on a terminal; yield what moves it by one."""
    with progress_bars(counted=True) as progress:
        bar = progress.add_task(about, total=total)
        yield lambda: progress.advance(bar)
