"""Build the TensorRT engine of an exported network on this machine, and check it.

An engine is made for one model, one version of TensorRT and one kind of GPU, so it is built where
it will run, once, in minutes:

    m3l build MODEL.onnx                        FP16 where it is safe, FP32 elsewhere
    m3l build MODEL.onnx --precision float32    if that computes wrong labels

MODEL.parity.npz, which m3l export wrote, lies beside MODEL.onnx; the new engine must give the
labels in it, or is refused. The engine is kept in a cache (--cache, else $M3L_CACHE, else
~/.cache/m3l), from where --backend auto and tensorrt of every command, and the node, take it.
An engine that is there and fits is checked and kept. A build that is stopped leaves nothing
behind. Exit code: 0 if there is a good engine, 2 if not.

TensorRT 10.3 (JetPack 6.1) or newer, pycuda and onnx are needed; docs/engines.md has the steps.
"""

from __future__ import annotations

from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from m3l_core.runtime.tensorrt_building import EngineStore
    from m3l_core.runtime.tensorrt_progress import Watcher


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument(
        'model',
        type=Path,
        nargs='?',
        metavar='MODEL.onnx',
        help='the exported network (default: the one that comes along)',
    )
    parser.add_argument(
        '--precision', default='float16', help='float16 (default: mixed with FP32) or float32'
    )
    parser.add_argument(
        '--workspace-mib',
        type=int,
        default=1024,
        metavar='N',
        help='most GPU memory one layer may use for itself (default: 1024); less if a build '
        'runs out of memory',
    )
    parser.add_argument(
        '--optimization-level',
        type=int,
        default=3,
        metavar='0-5',
        help='how long to search for faster kernels (default: 3)',
    )
    parser.add_argument(
        '--force', action='store_true', help='build also if there is an engine that fits'
    )
    parser.add_argument(
        '--cache', type=Path, metavar='FOLDER', help='where engines are kept (see above)'
    )


def run(arguments: argparse.Namespace) -> int:
    """Build and check, and print what came of it."""
    from m3l_core.models import default_model
    from m3l_core.runtime.tensorrt_building import engines_folder, EngineStore, load_toolkit
    from m3l_core.runtime.tensorrt_key import BuildSettings

    settings = BuildSettings(
        precision=arguments.precision,
        workspace_mib=arguments.workspace_mib,
        optimization_level=arguments.optimization_level,
    )
    model = arguments.model or default_model()
    toolkit = load_toolkit('m3l build')
    store = EngineStore(model, engines_folder(arguments.cache), toolkit, settings.precision)
    with _shown() as (say, watcher):
        engine = store.obtain(settings, say=say, watcher=watcher, force=arguments.force)
    engine.close()
    print(_summary(store))
    return 0


@contextmanager
def _shown() -> Iterator[tuple[Callable[[str], None], Watcher | None]]:
    """Yield what tells of a build: bars for a person who has rich, else lines."""
    if not sys.stderr.isatty() or find_spec('rich') is None:
        yield _say, None
        return
    from m3l_core.runtime.tensorrt_progress import Bars

    with Bars() as bars:
        yield bars.say, bars


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _summary(store: EngineStore) -> str:
    """Return what a person wants to know of an engine that is good."""
    record, modes = store.file.record(), store.parity().get('modes', {})
    machine, settings = record['machine'], record['settings']
    lines = [
        f'engine: {store.file.path} ({record["engine_bytes"] / 1e6:.1f} MB)',
        f'  {settings["precision"]}, optimization level {settings["optimization_level"]}, '
        f'TensorRT {machine["tensorrt"]}, {machine["gpu"]}, '
        f'built {record["built"]} in {record["build_seconds"]:.0f} s',
        f'labels as in {store.parity_path.name}:',
    ]
    lines += [
        f'  {mode:10} {values["total"]:7.3f} % of the pixels, '
        f'{values["sure"]:7.3f} % of those where float32 is sure'
        for mode, values in modes.items()
    ]
    return '\n'.join(lines)
