"""Score a model on labelled images, with and without each modality.

Prints, at the size of the labels, the mIoU with both modalities, with depth missing and with RGB
missing, and their mean, MM-Robust, each with its 95 % interval; beside them what a network that
looks at nothing reaches, and whether confidence can be believed. Make every choice on val. Score
test once: its scores and how often they were taken are written into the model file. Examples:

  m3l evaluate nyuv2_b0.onnx --data nyuv2 --json val.json
  m3l evaluate nyuv2_b0.onnx --data nyuv2 --split test --degrade sensor
"""

from __future__ import annotations

import json
from pathlib import Path
import sys
from typing import Any, TYPE_CHECKING

from m3l_core.errors import ConfigError
from m3l_core.reliability import MIN_CONFIDENCE

if TYPE_CHECKING:
    import argparse

    from m3l_core.data.folder import Folder
    from m3l_core.evaluate.record import Record
    from m3l_core.evaluate.scoring import Evaluation

_SENSORS = ('holes', 'noise', 'shift', 'sensor')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        'model',
        type=Path,
        nargs='?',
        help='NAME.onnx or NAME.safetensors (default: the shipped network)',
    )
    parser.add_argument(
        '--data', type=Path, required=True, help='NYUv2, or a folder of labelled images'
    )
    parser.add_argument(
        '--split', default='val', choices=('val', 'test', 'train', 'trainval'), help='(val)'
    )
    parser.add_argument('--backend', default='auto', help='auto (default), openvino or torch')
    parser.add_argument('--precision', default='auto', help='auto (default), float32 or bf16')
    parser.add_argument(
        '--degrade',
        nargs='+',
        default=[],
        choices=_SENSORS,
        metavar='SENSOR',
        help='also score with depth that has holes, noise, a shift against color, or all three '
        f'(sensor): {", ".join(_SENSORS)}',
    )
    parser.add_argument(
        '--min-confidence',
        type=float,
        default=MIN_CONFIDENCE,
        metavar='P',
        help='probability below which a pixel would be left unlabelled (%(default)s)',
    )
    parser.add_argument(
        '--record',
        action='store_true',
        help='write the scores into the model file, as is always done on test',
    )
    parser.add_argument('--json', type=Path, metavar='OUT', help='write every number there')


def run(arguments: argparse.Namespace) -> int:
    """Score, print, and write what was asked for."""
    from rich.progress import track

    from m3l_core.data.matching import open_matching
    from m3l_core.evaluate.record import Record, TEST
    from m3l_core.evaluate.scoring import evaluate
    from m3l_core.evaluate.tables import print_tables
    from m3l_core.models import default_model
    from m3l_core.runtime import open_engine, Segmenter

    if not 0 <= arguments.min_confidence <= 1:
        raise ConfigError(f'--min-confidence: expected 0 to 1, got {arguments.min_confidence}.')
    model = arguments.model or default_model()
    engine = open_engine(model, arguments.backend, precision=arguments.precision)
    samples = open_matching(arguments.data, arguments.split, engine.card.classes)
    record = Record(model) if arguments.record or arguments.split == TEST else None
    if record is not None and arguments.split == TEST:
        _warn(record, samples.name)
    # Before scoring: what is wrong with a label shows here, and costs no look at test.
    floor = _floor(arguments.data, samples, arguments.split)
    run_on = f'{engine.backend} {engine.precision}'
    title = f'{model.name}, {run_on}, {samples.name} {arguments.split}'
    images = track(samples.once(), title, total=len(samples))
    sensors = list(dict.fromkeys(arguments.degrade))
    results = evaluate(Segmenter(engine), images, samples.classes, sensors=sensors)
    about = {'model': model.name, 'data': samples.name, 'engine': run_on, 'floor': floor}
    # Written before anything is shown: a reader that closes the pipe would else be uncounted.
    if record is not None:
        _record(record, arguments, about, results)
    if arguments.json:
        _write_json(arguments, about, results)
    print_tables(results, title, floor=floor, min_confidence=arguments.min_confidence)
    if record is not None:
        print(f'recorded in {", ".join(str(path) for path in record.files)}')
        if arguments.split == TEST:
            print(f'scored on test so far: {_times(record.test_scored(samples.name))}')
    return 0


def _record(
    record: Record,
    arguments: argparse.Namespace,
    about: dict[str, Any],
    results: dict[str, Evaluation],
) -> None:
    from m3l_core.evaluate.scoring import AS_RECORDED

    numbers = {name: r.summary(arguments.min_confidence) for name, r in results.items()}
    record.write(
        arguments.split, about['data'], about | numbers.pop(AS_RECORDED) | {'degraded': numbers}
    )


def _write_json(
    arguments: argparse.Namespace, about: dict[str, Any], results: dict[str, Evaluation]
) -> None:
    from m3l_core.evaluate.scoring import AS_RECORDED
    from m3l_core.files import write_atomically

    numbers = {name: r.to_dict(arguments.min_confidence) for name, r in results.items()}
    about = about | {'split': arguments.split} | numbers.pop(AS_RECORDED) | {'degraded': numbers}
    write_atomically(arguments.json, json.dumps(about, indent=1).encode())


def _warn(record: Record, data: str) -> None:
    if count := record.test_scored(data):
        print(
            f'm3l: warning: these weights were scored on test before: {_times(count)}. '
            'A score says nothing about choices that were made after looking at it.',
            file=sys.stderr,
        )


def _times(count: int) -> str:
    return 'once' if count == 1 else f'{count} times'


def _floor(data: Path, samples: Folder, split: str) -> float | None:
    """Return what a network that looks at nothing reaches, None without training labels."""
    from m3l_core.data.matching import open_matching
    from m3l_core.errors import DataError
    from m3l_core.evaluate.floor import Majority

    try:
        training = open_matching(data, 'trainval' if split == 'test' else 'train', samples.classes)
    except DataError:
        return None
    majority = Majority(training.labels_once(), len(samples.classes))
    return majority.mean_iou(samples.labels_once())
