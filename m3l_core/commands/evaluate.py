"""Score a model on labeled images, with and without each modality.

Prints, at the size of the labels, the mIoU with both modalities, with depth missing and with RGB
missing, and their mean, MM-Robust, each with its 95 % interval; beside them what a network that
looks at nothing reaches, and whether confidence can be believed. Make every choice on val. Score
test once: its scores and how often they were taken are written into the model file.

An engine is scored as robots run it. Other conventions of what a missing image is, and noise on
the normalized images, need the network as training has it: --backend plain, chosen by itself. For
example:

  m3l evaluate nyuv2_b0.onnx --data nyuv2 --json val.json
  m3l evaluate nyuv2_b0.onnx --data nyuv2 --split test --degrade sensor
  m3l evaluate runs/m3l --which student --data nyuv2 --conventions --noise
  m3l evaluate runs/mine --data nyuv2 --counts mine.npz
  m3l evaluate runs/other --data nyuv2 --against mine.npz
"""

from __future__ import annotations

import json
from pathlib import Path
import sys
from typing import TYPE_CHECKING

from m3l_core.errors import ConfigError
from m3l_core.evaluate.conventions import Convention
from m3l_core.reliability import MIN_CONFIDENCE

if TYPE_CHECKING:
    import argparse

    from m3l_core.evaluate.look import Look
    from m3l_core.evaluate.record import Record

_SENSORS = ('holes', 'noise', 'shift', 'sensor')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        'model',
        type=Path,
        nargs='?',
        help='NAME.onnx, NAME.safetensors, or the folder of a run (default: the shipped network)',
    )
    parser.add_argument(
        '--data', type=Path, required=True, help='NYUv2, or a folder of labeled images'
    )
    parser.add_argument(
        '--split', default='val', choices=('val', 'test', 'train', 'trainval'), help='(val)'
    )
    parser.add_argument(
        '--backend', default='auto', help='auto (default), openvino, torch, or plain'
    )
    parser.add_argument('--precision', default='auto', help='auto (default), float32 or bf16')
    parser.add_argument(
        '--which',
        default='teacher',
        choices=('teacher', 'student'),
        help='of a training run: the running average, which it keeps (default), or the network '
        'that was trained',
    )
    _add_robustness(parser)
    _add_output(parser)


def _add_robustness(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--missing',
        default='token',
        choices=('token', 'zero', 'mean'),
        help='what a missing image is: the learned mask token (default), zeros after '
        'normalization, or the mean training image',
    )
    parser.add_argument(
        '--prediction',
        default='ensemble',
        choices=('ensemble', 'present'),
        help='what is scored then: the ensemble (default), or the stream whose image is there',
    )
    parser.add_argument(
        '--conventions', action='store_true', help='add a table of all conventions of missing'
    )
    parser.add_argument(
        '--noise',
        action='store_true',
        help='add a table of randomly missing (RMM) and of noisy (NM: Gaussian, then salt and '
        'pepper) values',
    )
    parser.add_argument(
        '--degrade',
        nargs='+',
        default=[],
        choices=_SENSORS,
        metavar='SENSOR',
        help='also score with depth that has holes, noise, a shift against color, or all three '
        f'(sensor): {", ".join(_SENSORS)}',
    )


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--min-confidence',
        type=float,
        default=MIN_CONFIDENCE,
        metavar='P',
        help='probability below which a pixel would be left unlabeled (%(default)s)',
    )
    parser.add_argument(
        '--record',
        action='store_true',
        help='write the scores into the model file, as is always done on test',
    )
    parser.add_argument('--json', type=Path, metavar='OUT', help='write every number there')
    parser.add_argument(
        '--counts', type=Path, metavar='OUT.npz', help="write every image's confusion counts there"
    )
    parser.add_argument(
        '--against',
        type=Path,
        metavar='OTHER.npz',
        help="also print the gain over another model's --counts, with its paired interval",
    )


def run(arguments: argparse.Namespace) -> int:
    """Score, print, and write what was asked for."""
    from m3l_core.data.matching import open_matching
    from m3l_core.evaluate.floor import floor_of
    from m3l_core.evaluate.image_counts import ImageCounts, labeled_pixels
    from m3l_core.evaluate.learned import has_learned_from_val
    from m3l_core.evaluate.look import tracked
    from m3l_core.evaluate.record import Record, TEST
    from m3l_core.evaluate.scoring import AS_RECORDED, evaluate, numbers_of
    from m3l_core.evaluate.tables import print_gain, print_tables
    from m3l_core.files import write_atomically
    from m3l_core.runtime import Segmenter

    _expect_sense(arguments)
    other = ImageCounts.load(arguments.against) if arguments.against else None
    look = _look(arguments)
    plain = look.plain_network()
    engine = look.open(plain)
    samples = open_matching(look.data, look.split, engine.card.classes)
    samples.expect_labels()
    if other is not None:
        other.expect_images(samples.ids, samples.classes.names, str(arguments.against))
        labeled = labeled_pixels(samples.labels_once(), samples.classes.names)
        other.expect_labeled(labeled, str(arguments.against))
    record = Record(look.model) if arguments.record or look.split == TEST else None
    if record is not None and look.split == TEST:
        _warn(record, samples.name)
    if look.split == 'val' and has_learned_from_val(engine.card, samples.name):
        _say('this network has learned from these images; its score says nothing of others.')
    # Before scoring: what is wrong with a label shows here, and costs no look at test.
    floor = floor_of(look.data, look.split, samples)
    about = look.about(engine, samples.name) | {'floor': floor}
    title = f'{about["model"]}, {about["engine"]}, {samples.name} {look.split}'
    results = evaluate(
        Segmenter(engine),
        tracked(samples, title),
        samples.classes,
        scenes=samples.scenes,
        sensors=list(dict.fromkeys(arguments.degrade)),
    )
    robustness = look.robustness(plain, samples)
    # Written before anything is shown: a reader that closes the pipe would else be uncounted.
    if record is not None:
        numbers = numbers_of(results, robustness, arguments.min_confidence)
        record.write(look.split, samples.name, about | numbers)
    if arguments.json:
        numbers = numbers_of(results, robustness, arguments.min_confidence, every=True)
        numbers = about | {'split': look.split} | numbers
        write_atomically(arguments.json, json.dumps(numbers, indent=1).encode())
    counts = ImageCounts.of(results[AS_RECORDED])
    if arguments.counts:
        counts.save(arguments.counts)
    print_tables(
        results,
        title,
        floor=floor,
        min_confidence=arguments.min_confidence,
        convention=look.convention,
        robustness=robustness,
    )
    if other is not None:
        print_gain(counts, other, arguments.against.name)
    if record is not None:
        print(f'recorded in {", ".join(str(path) for path in record.files)}')
        if look.split == TEST:
            print(f'scored on test so far: {_times(record.test_scored(samples.name))}')
    return 0


def _look(arguments: argparse.Namespace) -> Look:
    from m3l_core.evaluate.look import Look
    from m3l_core.evaluate.weights import find_model
    from m3l_core.models import default_model

    return Look(
        model=find_model(arguments.model or default_model()),
        data=arguments.data,
        split=arguments.split,
        backend=arguments.backend,
        precision=arguments.precision,
        which=arguments.which,
        convention=Convention(arguments.missing, arguments.prediction),
        conventions=arguments.conventions,
        noise=arguments.noise,
    )


def _expect_sense(arguments: argparse.Namespace) -> None:
    """Refuse what cannot be had together.

    Raises:
        ConfigError: Naming it.
    """
    if not 0 <= arguments.min_confidence <= 1:
        raise ConfigError(f'--min-confidence: expected 0 to 1, got {arguments.min_confidence}.')
    if arguments.which == 'student' and (arguments.record or arguments.split == 'test'):
        raise ConfigError(
            "--which: the student's scores have no place in the model file, which holds the "
            'teacher. Score it on val, without --record.'
        )


def _warn(record: Record, data: str) -> None:
    if count := record.test_scored(data):
        _say(
            f'these weights were scored on test before: {_times(count)}. '
            'A score says nothing about choices that were made after looking at it.'
        )


def _say(warning: str) -> None:
    print(f'm3l: warning: {warning}', file=sys.stderr)


def _times(count: int) -> str:
    return 'once' if count == 1 else f'{count} times'
