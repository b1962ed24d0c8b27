"""All runs of one bag, each whole or not there: what a process, or a task on a cluster, does."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
import hashlib
import json
import os
from pathlib import Path
import shutil
from typing import Any, TYPE_CHECKING

from m3l_core import __version__
from m3l_core.bags.reading import Bag
from m3l_core.bags.topics import find_topics, RgbdTopics
from m3l_core.errors import M3lError
from m3l_core.files import identity_of, write_atomically
from m3l_core.replay.run import replay, SUMMARY
from m3l_core.replay.setting import Options, Replayed
from m3l_core.runtime import open_engine, Segmenter
from m3l_core.runtime.cache_folder import cache_folder_if_any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from m3l_core.bags.many import Advance
    from m3l_core.classes import ClassSet
    from m3l_core.replay.observing import Observer
    from m3l_core.replay.parameters import Parameters
    from m3l_core.replay.scenario import Scenario
    from m3l_core.runtime import Engine

_MOST_STREAMS = 4
"""More frames side by side take memory, and soon wait for the thread that reads them."""

RUNS = 'runs'
"""Folder of the runs below the folder of a replay: runs/BAG/SCENARIO."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One bag and all that is to happen to it; travels to other processes.

    Attributes:
        bag: Its path.
        name: What its folder is called.
        topics: Those that are given; the others are guessed.
        scenarios: One run each.
        parameters: Those of the node.
        threads: Of the engine where the parameters leave it open; 0 leaves it to the engine.
            It is no part of what a run is known by: with other `--workers` it is another.
        options: Those of the replay.
        out: Folder of the replay.
        video: Whether a film of every run is wanted.
        report: Whether pictures for a report are wanted.
    """

    bag: Path
    name: str
    topics: RgbdTopics
    scenarios: tuple[Scenario, ...]
    parameters: Parameters
    options: Options
    out: Path
    threads: int = 0
    video: bool = False
    report: bool = True

    def folder(self, scenario: Scenario) -> Path:
        """Return where a run goes."""
        return self.out / RUNS / self.name / scenario.title


def named_bags(paths: Sequence[Path]) -> list[tuple[Path, str]]:
    """Return each bag with a name of its own, as good for a folder."""
    named: list[tuple[Path, str]] = []
    taken: set[str] = set()
    for path in paths:
        plain = path.resolve().name if path.is_dir() else path.stem
        name, number = plain, 1
        while name in taken:
            number += 1
            name = f'{plain}-{number}'
        taken.add(name)
        named.append((path, name))
    return named


def replay_bag(job: Job, advance: Advance) -> list[dict[str, Any]]:
    """Do the runs of a bag that are not done yet; return the summaries of all.

    Raises:
        M3lError: If bag, truth or engine cannot be used.
    """
    keys = [_key(job, scenario) for scenario in job.scenarios]
    summaries = [
        _finished(job.folder(scenario), key)
        for scenario, key in zip(job.scenarios, keys, strict=True)
    ]
    if None in summaries:
        missing = [number for number, summary in enumerate(summaries) if summary is None]
        with Bag(job.bag) as bag:
            topics = _topics(bag, job)
            parameters = _with_threads(job)
            warnings: list[str] = []
            engine = engine_for(parameters, job.options, warnings.append)
            try:
                replayed = Replayed(
                    bag, topics, Segmenter(engine), parameters, job.options, tuple(warnings)
                )
                for done, number in enumerate(missing):
                    summaries[number] = _run(
                        job, replayed, job.scenarios[number], keys[number],
                        _part_of(advance, done, len(missing)),
                    )  # fmt: skip
            finally:
                engine.close()
    return [summary for summary in summaries if summary is not None]


def engine_for(parameters: Parameters, options: Options, warn: Callable[[str], None]) -> Engine:
    """Return the engine that a replay labels with, as fast as this machine lets it.

    It is the node's, but for one thing: where no time is measured, frames are known ahead, and
    some of them are labeled side by side.

    Args:
        parameters: Those of the node.
        options: Those of the replay.
        warn: Told what a node would warn of.
    """
    settings = parameters.engine
    threads = settings.threads or os.cpu_count() or 1
    return open_engine(
        settings.model_path,
        settings.backend,
        precision=settings.precision,
        threads=settings.threads,
        cache_dir=cache_folder_if_any(warn),
        warn=warn,
        streams=1 if options.engine_ms == 'measured' else min(threads, _MOST_STREAMS),
    )


def _run(
    job: Job, replayed: Replayed, scenario: Scenario, key: str, advance: Advance
) -> dict[str, Any]:
    """Do one run in a folder beside its own, and rename that when all of it is there."""
    folder = job.folder(scenario)
    partial = folder.with_name(f'.{folder.name}.partial')
    bag_path = str(job.bag.resolve())
    _expect_own(folder, bag_path)
    try:
        for old in (partial, folder):
            if old.exists():
                shutil.rmtree(old)
        partial.mkdir(parents=True)
        classes = replayed.segmenter.engine.card.classes
        observers = _observers(partial, classes, job)
        summary = replay(replayed, scenario, partial, observers=observers, advance=advance)
        place = str(folder.relative_to(job.out))
        summary |= {'bag': job.name, 'bag_path': bag_path, 'folder': place, 'key': key}
        write_atomically(partial / SUMMARY, json.dumps(summary, indent=1).encode())
        partial.rename(folder)
    except OSError as error:
        raise M3lError(
            f'{folder}: cannot be written: {error.strerror or error}. Give another --out.'
        ) from error
    return summary


def _observers(folder: Path, classes: ClassSet, job: Job) -> Sequence[Observer]:
    """Return who draws pictures of a run."""
    if not (job.report or job.video):
        return ()
    from m3l_core.replay.report import observers

    made: Sequence[Observer] = observers(folder, classes=classes, video=job.video)
    return made


def _finished(folder: Path, key: str) -> dict[str, Any] | None:
    """Return the summary of a run that was done before with the same key, or None."""
    summary = _summary(folder)
    return summary if summary.get('key') == key else None


def _summary(folder: Path) -> dict[str, Any]:
    """Return the summary of a run; nothing if there is none, or half of one."""
    try:
        summary = json.loads((folder / SUMMARY).read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return {}
    return summary if isinstance(summary, dict) else {}


def _expect_own(folder: Path, bag_path: str) -> None:
    """Refuse to take the place of the run of another bag of the same name."""
    other = _summary(folder).get('bag_path', bag_path)
    if other != bag_path:
        raise M3lError(
            f'{folder}: expected a run of {bag_path}, got one of {other}. Give another --out.'
        )


def _with_threads(job: Job) -> Parameters:
    """Return the parameters with the threads that the engine gets."""
    engine = job.parameters.engine
    return replace(job.parameters, engine=replace(engine, threads=engine.threads or job.threads))


def _key(job: Job, scenario: Scenario) -> str:
    """Return what is the same for two runs only if they would give the same."""
    model = job.parameters.engine.model_path
    about = {
        'version': __version__,
        'bag': identity_of(job.bag),
        'model': identity_of(model),
        'parameters': job.parameters.to_dict(),
        'topics': asdict(job.topics),
        'scenario': asdict(scenario),
        'options': asdict(job.options),
        'truth': _truth_identity(job.options),
        'video': job.video,
        'report': job.report,
    }
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def _truth_identity(options: Options) -> list[Any]:
    """Return what is in the files that say what is right; a topic of the bag is in the bag."""
    folder, ids = Path(options.truth), Path(options.truth_ids)
    of_folder = identity_of(folder) if folder.is_dir() else []
    of_ids = hashlib.sha256(ids.read_bytes()).hexdigest() if ids.is_file() else ''
    return [of_folder, of_ids]


def _topics(bag: Bag, job: Job) -> RgbdTopics:
    """Return the topics given, guessed, and of the transport that the parameters ask for."""
    topics = find_topics(bag, job.topics)
    settings = job.parameters.engine
    for name, transport in (('rgb', settings.rgb_transport), ('depth', settings.depth_transport)):
        given, guessed = getattr(job.topics, name), getattr(topics, name)
        if given is None and transport:
            ending = '' if transport == 'raw' else f'/{transport}'
            base = guessed.removesuffix('/compressed').removesuffix('/compressedDepth')
            if base + ending in bag.topics:
                topics = replace(topics, **{name: base + ending})
    if job.topics.labels is None and topics.labels is not None and 'mask' in topics.labels:
        topics = replace(topics, labels=None)  # What a node made of the bag is no truth.
    return topics


def _part_of(advance: Callable[[float], None], number: int, count: int) -> Advance:
    return lambda share: advance((number + share) / count)
