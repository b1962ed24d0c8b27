"""Measure every engine of this machine on one network.

For each back end that is installed, and each precision worth a try: how long it takes to load,
how long a frame takes, what memory it needs, whether its labels are right, and how far it is from
the fastest that this machine could be. Every engine runs in a process of its own, in turns with
the others; a back end that fails is a row with its error. Close other programs first. Examples:

  m3l bench nyuv2_b0.onnx
  m3l bench NAME.onnx --backend openvino --precision bf16 --layers --json bench.json
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from m3l_core.errors import ConfigError, ModelError
from m3l_core.terminal import progress_bars

if TYPE_CHECKING:
    import argparse

    from m3l_core.bench.work import Work


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        'model',
        type=Path,
        nargs='?',
        help='NAME.onnx or NAME.safetensors (default: the shipped network)',
    )
    parser.add_argument(
        '--backend',
        action='append',
        default=[],
        choices=('tensorrt', 'openvino', 'torch'),
        help='measure this one only; repeatable',
    )
    parser.add_argument(
        '--precision',
        action='append',
        default=[],
        choices=('float32', 'float16', 'bf16'),
        help='measure this one only; repeatable (default: those this machine may gain from)',
    )
    parser.add_argument(
        '--frames', type=int, default=100, metavar='N', help='of each engine (default: 100)'
    )
    parser.add_argument(
        '--threads', type=int, default=0, metavar='N', help='CPU threads (default: all)'
    )
    parser.add_argument(
        '--layers', action='store_true', help='time the layers as well, with OpenVINO'
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='write every number there')


def run(arguments: argparse.Namespace) -> int:
    """Measure, print, and write what was asked for; 1 if no engine gave right labels."""
    from rich.console import Console

    from m3l_core.bench.contenders import contenders
    from m3l_core.bench.machine import processor
    from m3l_core.bench.measuring import measure, Plan
    from m3l_core.bench.tables import print_report, report
    from m3l_core.files import write_atomically
    from m3l_core.models import default_model

    model = arguments.model or default_model()
    _expect_usable(arguments, model)
    found, left_out = contenders(model.suffix, arguments.backend, arguments.precision)
    plan = Plan(model, arguments.frames, arguments.threads, arguments.layers, _work(model))
    with progress_bars() as progress:
        bar = progress.add_task('', total=1.0)
        rows = measure(
            plan,
            found,
            lambda text, share: progress.update(bar, description=text, completed=share),
        )
    if arguments.json:
        write_atomically(
            arguments.json,
            json.dumps(report(plan, rows, left_out, processor()), indent=1).encode(),
        )
    console = Console()
    console = console if console.is_terminal else Console(width=140)
    print_report(plan, rows, left_out, processor(), console)
    return 0 if any(not row.problem and not row.parity_problem for row in rows) else 1


def _expect_usable(arguments: argparse.Namespace, model: Path) -> None:
    if not model.is_file():
        raise ModelError(f'{model}: no such file. Give the path of a model file.')
    if arguments.frames < 1:
        raise ConfigError(f'--frames: expected 1 or more, got {arguments.frames}.')
    if arguments.threads < 0:
        raise ConfigError(f'--threads: expected 0 (all) or more, got {arguments.threads}.')


def _work(model: Path) -> Work | None:
    """Return what the network has to do; None without its graph, or a library that reads it."""
    from m3l_core.bench.work import count_work

    graph = model.with_suffix('.onnx')
    if not graph.is_file():
        return None
    try:
        return count_work(graph)
    except ModuleNotFoundError:
        return None
