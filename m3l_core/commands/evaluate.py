"""Score a model on labelled images, with and without each modality.

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
  m3l evaluate runs/m3l --data nyuv2 --against other.npz
"""

from __future__ import annotations

import json
from pathlib import Path
import sys
from typing import Any, TYPE_CHECKING

from m3l_core.errors import ConfigError
from m3l_core.evaluate.conventions import Convention, DEPLOYED
from m3l_core.reliability import MIN_CONFIDENCE

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from torch import Tensor

    from m3l_core.data.folder import Folder
    from m3l_core.data.samples import Sample
    from m3l_core.evaluate.record import Record
    from m3l_core.evaluate.scoring import Evaluation, Robustness
    from m3l_core.evaluate.weights import Network
    from m3l_core.runtime import Engine

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
        '--data', type=Path, required=True, help='NYUv2, or a folder of labelled images'
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
        help='probability below which a pixel would be left unlabelled (%(default)s)',
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
    from m3l_core.evaluate.image_counts import ImageCounts
    from m3l_core.evaluate.record import Record, TEST
    from m3l_core.evaluate.scoring import AS_RECORDED, evaluate
    from m3l_core.evaluate.tables import print_gain, print_tables
    from m3l_core.evaluate.weights import find_model
    from m3l_core.models import default_model
    from m3l_core.runtime import Segmenter

    _expect_sense(arguments)
    other = ImageCounts.load(arguments.against) if arguments.against else None
    model = find_model(arguments.model or default_model())
    plain = _plain_network(arguments, model)
    engine = _open(arguments, model, plain)
    samples = open_matching(arguments.data, arguments.split, engine.card.classes)
    if other is not None:
        other.expect_images(samples.ids, samples.classes.names, str(arguments.against))
    record = Record(model) if arguments.record or arguments.split == TEST else None
    if record is not None and arguments.split == TEST:
        _warn(record, samples.name)
    # Before scoring: what is wrong with a label shows here, and costs no look at test.
    floor = floor_of(arguments.data, arguments.split, samples)
    about = _about(arguments, model, engine, samples.name) | {'floor': floor}
    title = f'{about["model"]}, {about["engine"]}, {samples.name} {arguments.split}'
    sensors = list(dict.fromkeys(arguments.degrade))
    images = _tracked(samples, title)
    results = evaluate(
        Segmenter(engine), images, samples.classes, scenes=samples.scenes, sensors=sensors
    )
    robustness = _robustness(arguments, plain, samples)
    # Written before anything is shown: a reader that closes the pipe would else be uncounted.
    if record is not None:
        numbers = _numbers(arguments, results, robustness)
        record.write(arguments.split, samples.name, about | numbers)
    if arguments.json:
        _write_json(arguments, about, results, robustness)
    counts = ImageCounts.of(results[AS_RECORDED])
    if arguments.counts:
        counts.save(arguments.counts)
    print_tables(
        results,
        title,
        floor=floor,
        min_confidence=arguments.min_confidence,
        convention=_convention(arguments),
        robustness=robustness,
    )
    if other is not None:
        print_gain(counts, other, arguments.against.name)
    if record is not None:
        print(f'recorded in {", ".join(str(path) for path in record.files)}')
        if arguments.split == TEST:
            print(f'scored on test so far: {_times(record.test_scored(samples.name))}')
    return 0


def _convention(arguments: argparse.Namespace) -> Convention:
    return Convention(arguments.missing, arguments.prediction)


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


def _plain_network(arguments: argparse.Namespace, model: Path) -> Network | None:
    """Return the network as training has it if what is asked for needs it."""
    from m3l_core.evaluate.record import read_card
    from m3l_core.evaluate.weights import load_plain

    reasons = {
        '--missing': arguments.missing != DEPLOYED.replacement,
        '--prediction': arguments.prediction != DEPLOYED.prediction,
        '--conventions': arguments.conventions,
        '--noise': arguments.noise,
        '--which student': arguments.which == 'student',
        'a fusion that is not linear': read_card(model).architecture.fusion != 'linear',
    }
    asked = [reason for reason, given in reasons.items() if given]
    if arguments.backend not in {'auto', 'plain'} and asked:
        raise ConfigError(
            f'--backend: expected plain for {" and ".join(asked)}, got {arguments.backend}. '
            'Leave it out.'
        )
    if arguments.backend != 'plain' and not asked:
        return None
    return load_plain(model, arguments.which)


def _open(arguments: argparse.Namespace, model: Path, plain: Network | None) -> Engine:
    if plain is None:
        from m3l_core.runtime import open_engine

        return open_engine(model, arguments.backend, precision=arguments.precision)
    from m3l_core.evaluate.plain import PlainEngine

    return PlainEngine(
        *plain,
        convention=_convention(arguments),
        means=_means(arguments, plain) if arguments.missing == 'mean' else None,
        precision=arguments.precision,
    )


def _means(arguments: argparse.Namespace, plain: Network) -> tuple[Tensor, Tensor]:
    from m3l_core.evaluate.floor import training_of
    from m3l_core.evaluate.plain import mean_inputs

    _, card = plain
    training = training_of(arguments.data, arguments.split, card.classes)
    return mean_inputs(_tracked(training, 'mean of the training images'), card)


def _robustness(
    arguments: argparse.Namespace, plain: Network | None, samples: Folder
) -> Robustness:
    """Return the scores of the further tables that were asked for."""
    from m3l_core.evaluate.scoring import Robustness

    robustness = Robustness()
    if plain is None:
        return robustness
    from m3l_core.evaluate.robustness import score_conventions, score_corruptions

    precision = arguments.precision
    if arguments.conventions:
        means = _means(arguments, plain)
        images = _tracked(samples, 'conventions of missing')
        robustness.conventions = score_conventions(
            *plain, images, means, scenes=samples.scenes, precision=precision
        )
    if arguments.noise:
        images = _tracked(samples, 'missing and noisy values')
        robustness.corruptions = score_corruptions(*plain, images, precision=precision)
    return robustness


def _tracked(samples: Folder, what: str) -> Iterable[Sample]:
    from rich.markup import escape
    from rich.progress import track

    return track(samples.once(), escape(what), total=len(samples))


def _about(
    arguments: argparse.Namespace, model: Path, engine: Engine, data: str
) -> dict[str, Any]:
    """Return what was scored, and how."""
    return {
        'model': model.name + (' (student)' if arguments.which == 'student' else ''),
        'data': data,
        'engine': f'{engine.backend} {engine.precision}',
        'missing': str(_convention(arguments)),
    }


def _numbers(
    arguments: argparse.Namespace, results: dict[str, Evaluation], robustness: Robustness
) -> dict[str, Any]:
    """Return the numbers that belong in a card."""
    from m3l_core.evaluate.scoring import AS_RECORDED

    numbers = {name: r.summary(arguments.min_confidence) for name, r in results.items()}
    return numbers.pop(AS_RECORDED) | {'degraded': numbers} | robustness.summary()


def _write_json(
    arguments: argparse.Namespace,
    about: dict[str, Any],
    results: dict[str, Evaluation],
    robustness: Robustness,
) -> None:
    from m3l_core.evaluate.scoring import AS_RECORDED
    from m3l_core.files import write_atomically

    numbers = {name: r.to_dict(arguments.min_confidence) for name, r in results.items()}
    about = about | {'split': arguments.split} | numbers.pop(AS_RECORDED) | {'degraded': numbers}
    about |= robustness.summary()
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
