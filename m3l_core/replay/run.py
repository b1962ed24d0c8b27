"""One bag under one scenario: from images to records, scores and the worst frames, in a folder."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from itertools import chain
from typing import Any, TYPE_CHECKING

from m3l_core.errors import BagError
from m3l_core.replay.arrivals import Recording
from m3l_core.replay.bookkeeping import Books
from m3l_core.replay.conditions import checked
from m3l_core.replay.faults import faults_of, faulty
from m3l_core.replay.labeling import Labeler
from m3l_core.replay.masks import MaskMaker
from m3l_core.replay.records import Records
from m3l_core.replay.simulation import simulate
from m3l_core.replay.timing import Timing
from m3l_core.replay.truth import id_table, open_truth
from m3l_core.replay.worst import WorstFrames
from m3l_core.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from m3l_core.replay.arrivals import Arrival
    from m3l_core.replay.observing import Observer
    from m3l_core.replay.scenario import Scenario
    from m3l_core.replay.setting import Replayed
    from m3l_core.replay.truth import Truth
    from m3l_core.stream import StreamConfig

SUMMARY, WORST = 'summary.json', 'worst'


def replay(
    replayed: Replayed,
    scenario: Scenario,
    folder: Path,
    *,
    observers: Iterable[Observer] = (),
    advance: Callable[[float], None] = lambda _share: None,
) -> dict[str, Any]:
    """Replay a bag under a scenario, write what came out, and return the summary.

    Args:
        replayed: What is replayed.
        scenario: What happens to the images.
        folder: Where records, times, and the worst frames go; the summary is only returned.
        observers: Told of every mask.
        advance: Told the share of the bag that is done.

    Raises:
        BagError: If the bag holds no images.
        DataError: If the truth is damaged, or of another size.
        EngineError: If the engine fails.
    """
    bag, options = replayed.bag, replayed.options
    recording = Recording(bag, replayed.topics, options.fallback_topic)
    end_ns = bag.last_ns(recording.topics)
    start_ns, images = _from_start(replayed, recording)
    faults = faults_of(scenario, start_ns, end_ns)
    card = replayed.segmenter.engine.card
    truth, truth_name = open_truth(
        options.truth, bag, replayed.topics.labels, id_table(options.truth_ids, card.classes)
    )
    head = _head(replayed, scenario, truth_name, (end_ns - start_ns) / 1e9)
    head['faults'] = [fault.to_dict(start_ns) for fault in faults]
    arrivals = faulty(_telling(images, end_ns, advance), faults, scenario.seed)
    timing = Timing(start_ns, faults)
    watchers = [WorstFrames(folder / WORST), *observers]
    is_measured = options.engine_ms == 'measured'
    with closing(truth), closing(Records(folder, is_measured=is_measured)) as records:
        records.write({'type': 'run', **head})
        books = Books(card.classes, timing, start_ns, watchers, records)
        labeler, stream = _labeled(replayed, arrivals, truth, books)
    summary = head | timing.to_dict(end_ns) | _counted(labeler, books, stream, end_ns)
    summary['warnings'] = [
        *replayed.warnings, *bag.warnings, *recording.remarks, *labeler.remarks
    ]  # fmt: skip
    summary |= checked(scenario.limits, summary)
    for watcher in watchers:
        watcher.close(summary)
    return summary


def _from_start(replayed: Replayed, recording: Recording) -> tuple[int, Iterator[Arrival]]:
    """Return when the first image arrives, and all of them.

    Raises:
        BagError: If there is none.
    """
    images = iter(recording)
    first = next(images, None)
    if first is None:
        topics = ' and '.join(recording.topics)
        reason = recording.remarks[0] if recording.remarks else 'none'
        raise BagError(
            f'{replayed.bag.path}: expected images on {topics}, got {reason}. Name other topics.'
        )
    return first.receive_ns, chain([first], images)


def _head(
    replayed: Replayed, scenario: Scenario, truth_name: str, duration_s: float
) -> dict[str, Any]:
    """Return what a reader must know of a run; nothing in it depends on the machine's clock."""
    engine, parameters = replayed.segmenter.engine, replayed.parameters
    card, topics = engine.card, replayed.topics
    return {
        'bag': replayed.bag.path.name,
        'scenario': scenario.name,
        'variant': scenario.variant,
        'seed': scenario.seed,
        'model': parameters.engine.model_path.name,
        'model_sha256': card.weights_sha256,
        'backend': engine.backend,
        'precision': engine.precision,
        'threads': parameters.engine.threads,
        'timing': replayed.options.timing,
        'topics': {'rgb': topics.rgb, 'depth': topics.depth, 'labels': truth_name},
        'duration_s': round(duration_s, 6),
        'classes': list(card.classes.names),
        'palette': [list(color) for color in card.classes.palette],
        'labeling': asdict(parameters.labeling),
        'stream': asdict(parameters.stream),
    }


def _labeled(
    replayed: Replayed, arrivals: Iterable[Arrival], truth: Truth, books: Books
) -> tuple[Labeler, Stream]:
    """Label what arrives, enter it in the books, and return who knows what came of it."""
    parameters = replayed.parameters
    stream = Stream(parameters.stream)
    with closing(MaskMaker(replayed.segmenter, parameters.labeling.min_confidence)) as maker:
        labeler = Labeler(replayed, stream, truth, maker, books)
        simulate(arrivals, stream, labeler, drain_ns=_drain_ns(parameters.stream))
        labeler.finish()
    return labeler, stream


def _counted(labeler: Labeler, books: Books, stream: Stream, end_ns: int) -> dict[str, Any]:
    """Return what was counted on the way."""
    counts = stream.statistics(end_ns)
    scores = books.truth_scores
    return {
        'frames': labeler.frames,
        'images': {'rgb': counts.rgb.received, 'depth': counts.depth.received},
        'drops': {'rgb': counts.rgb.drops, 'depth': counts.depth.drops},
        'used': labeler.used,
        'skipped': labeler.skipped,
        'unreadable': labeler.unreadable,
        'truth': scores.to_dict() if scores.frames + scores.without else None,
        'compared': books.comparison.to_dict(),
    }


def _drain_ns(config: StreamConfig) -> int:
    """Return how long an image may wait for its partner at most."""
    return round(1e9 * max(config.pair_wait, config.pair_wait_max))


def _telling(
    arrivals: Iterable[Arrival], end_ns: int, advance: Callable[[float], None]
) -> Iterator[Arrival]:
    """Pass arrivals on, and tell how much of the bag they are."""
    start_ns = told = 0
    for arrival in arrivals:
        start_ns = start_ns or arrival.receive_ns
        percent = 100 * (arrival.receive_ns - start_ns) // max(end_ns - start_ns, 1)
        if percent > told:
            told = percent
            advance(percent / 100)
        yield arrival
