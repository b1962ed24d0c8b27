"""Score a network on bags, as the node would run it, with camera faults of your choice.

The same decoder, stream and engine as the node, on the bag's clock: the same bag, scenario and
seed give the same records. Label images in the bag, or a folder of them, are the truth; without,
masks are compared with what each camera alone gives. A scenario's limits decide the exit code:
0 all kept, 1 one is not or a run gave no mask, 2 a bag or an input cannot be used. Examples:

  m3l replay kitchen --scenario depth_dies --scenario rgb_dies --out scores
  m3l replay bags/* --params segment.yaml --scenario own.yaml --latency 30ms --workers 4
  m3l replay kitchen --truth labels/ --truth-ids nyu40 --video --out scores
"""

from __future__ import annotations

import os
from pathlib import Path
import sys
import tempfile
from typing import Any, TYPE_CHECKING

from m3l_core.errors import ConfigError
from m3l_core.terminal import progress_bars

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from m3l_core.replay.bags import Job
    from m3l_core.replay.parameters import Parameters
    from m3l_core.replay.scenario import Scenario
    from m3l_core.replay.setting import EngineTime


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('bags', type=Path, nargs='+', metavar='BAG', help='folder or file')
    parser.add_argument('--params', type=Path, metavar='FILE', help="the node's parameters file")
    parser.add_argument(
        '--scenario',
        action='append',
        metavar='NAME|FILE',
        help='what happens to the images, repeatable: none (default), depth_dies, rgb_dies, '
        'bad_transport, sick_images, outages, sweep, or a YAML file',
    )
    parser.add_argument('--seed', type=int, help="wins over the scenario's")
    parser.add_argument(
        '--out',
        type=Path,
        metavar='DIR',
        help='keep records and report there; run again to resume',
    )
    clock = parser.add_mutually_exclusive_group()
    clock.add_argument('--every-frame', action='store_true', help='label every frame (default)')
    clock.add_argument(
        '--latency', metavar='TIME', help='drop frames as a node whose engine takes so long: 30ms'
    )
    clock.add_argument('--realtime', action='store_true', help='drop frames as this machine would')
    _add_truth(parser)
    _add_engine(parser)
    for name in ('rgb', 'depth'):
        parser.add_argument(f'--{name}-topic', metavar='TOPIC', help='default: guessed')
    parser.add_argument(
        '--fallback-topic',
        metavar='TOPIC',
        help='depth that is not registered to color, for when both others are gone',
    )
    parser.add_argument('--workers', type=int, default=1, help='bags at a time (default: 1)')
    parser.add_argument(
        '--ray', metavar='ADDRESS', help='run on a Ray cluster: auto, or HOST:PORT'
    )
    parser.add_argument('--video', action='store_true', help='write a film of every run too')
    parser.add_argument('--no-report', action='store_true', help='write no HTML report')


def _add_truth(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--truth',
        default='auto',
        metavar='TOPIC|FOLDER',
        help='label topic, or folder of PNGs named by stamp; auto (default): a topic whose name '
        'says label; none',
    )
    parser.add_argument(
        '--truth-ids',
        default='classes',
        metavar='IDS',
        help='what its ids mean: classes (default; 255 is void), nyu40 (0 is void), or a YAML '
        'file of ids and class names',
    )
    parser.add_argument(
        '--compare-every',
        type=int,
        default=10,
        metavar='N',
        help='label every Nth pair from each camera alone too (default: 10; 0: none)',
    )


def _add_engine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--model', help='wins over the parameters file')
    parser.add_argument('--backend', help='the same')
    parser.add_argument('--precision', help='the same')
    parser.add_argument('--threads', type=int, help='the same')


def run(arguments: argparse.Namespace) -> int:
    """Replay all bags; say what was found."""
    from rich.console import Console

    from m3l_core.replay.bags import RUNS
    from m3l_core.replay.merging import replay_summary
    from m3l_core.replay.tables import print_summary

    with tempfile.TemporaryDirectory(prefix='m3l-replay-') as temporary:
        out = arguments.out or Path(temporary)
        jobs = _jobs(arguments, out)
        summaries, failed = _replayed(arguments, jobs)
        summary = replay_summary(summaries, failed)
        for warning in _warnings(summaries):
            print(f'm3l: warning: {warning}', file=sys.stderr)
        for bag, problem in failed.items():
            print(
                f'm3l: {bag}: {problem}' if len(jobs) > 1 else f'm3l: {problem}', file=sys.stderr
            )
        print_summary(summary, Console(width=None if sys.stdout.isatty() else 120))
        if arguments.out:
            _write(summary, out, has_report=not arguments.no_report)
            if summary['runs']:
                print(f'records: {out / RUNS}')
    if failed:
        return 2
    return 0 if summary['passed'] else 1


def _jobs(arguments: argparse.Namespace, out: Path) -> list[Job]:
    from m3l_core.bags.topics import RgbdTopics
    from m3l_core.replay.bags import Job, named_bags
    from m3l_core.replay.scenario import load_scenario
    from m3l_core.replay.setting import Options
    from m3l_core.replay.truth import KNOWN_IDS

    if arguments.ray is not None and arguments.out is None:
        raise ConfigError(
            '--ray: expected --out, a folder that all machines of the cluster share.'
        )
    if arguments.video and arguments.out is None:
        raise ConfigError('--video: expected --out, a folder for the film.')
    if arguments.seed is not None and arguments.seed < 0:
        raise ConfigError(f'--seed: expected 0 or more, got {arguments.seed}.')
    if arguments.compare_every < 0:
        raise ConfigError(f'--compare-every: expected 0 or more, got {arguments.compare_every}.')
    parameters = _parameters(arguments)
    named = named_bags(arguments.bags)
    scenarios = tuple(
        scenario
        for given in dict.fromkeys(arguments.scenario or ['none'])
        for scenario in load_scenario(given, arguments.seed)
    )
    _expect_distinct(scenarios)
    options = Options(
        engine_ms=_engine_ms(arguments),
        compare_every=arguments.compare_every,
        fallback_topic=arguments.fallback_topic,
        truth=_absolute(arguments.truth, is_path=Path(arguments.truth).is_dir()),
        truth_ids=_absolute(arguments.truth_ids, is_path=arguments.truth_ids not in KNOWN_IDS),
    )
    return [
        Job(
            bag=path.absolute() if arguments.ray else path,
            name=name,
            topics=RgbdTopics(rgb=arguments.rgb_topic, depth=arguments.depth_topic),
            scenarios=scenarios,
            parameters=parameters,
            options=options,
            out=out.absolute(),
            threads=_share_of_threads(arguments.workers, len(named)),
            video=arguments.video,
            report=arguments.out is not None and not arguments.no_report,
        )
        for path, name in named
    ]


def _parameters(arguments: argparse.Namespace) -> Parameters:
    """Return the node's parameters, with a path of the network that holds in any folder."""
    from dataclasses import replace

    from m3l_core.replay.parameters import read_parameters

    overrides = {
        key: getattr(arguments, key) for key in ('model', 'backend', 'precision', 'threads')
    }
    parameters = read_parameters(arguments.params, overrides)
    for warning in parameters.warnings:
        print(f'm3l: warning: {warning}', file=sys.stderr)
    if not parameters.engine.model:
        return parameters
    model = str(parameters.engine.model_path.absolute())
    return replace(parameters, engine=replace(parameters.engine, model=model))


def _share_of_threads(workers: int, bags: int) -> int:
    """Return the threads of each of some engines side by side; 0 for one, which takes all."""
    at_a_time = min(workers, bags)
    return max(1, (os.cpu_count() or 1) // at_a_time) if at_a_time > 1 else 0


def _expect_distinct(scenarios: Sequence[Scenario]) -> None:
    """Refuse two scenarios whose runs would go into one folder."""
    titles = [scenario.title for scenario in scenarios]
    twice = [title for title in dict.fromkeys(titles) if titles.count(title) > 1]
    if twice:
        raise ConfigError(
            f'--scenario: expected files of different names, got {", ".join(twice)} more than '
            'once. Rename one.'
        )


def _absolute(given: str, *, is_path: bool) -> str:
    """Return a path that other processes and machines find too; what is none as it is."""
    return str(Path(given).absolute()) if is_path else given


def _engine_ms(arguments: argparse.Namespace) -> EngineTime:
    if arguments.realtime:
        return 'measured'
    if arguments.latency is None:
        return 0.0
    text = arguments.latency.strip()
    try:
        seconds = not text.endswith('ms') and text.endswith('s')
        value = float(text.removesuffix('ms').removesuffix('s')) * (1000 if seconds else 1)
    except ValueError:
        value = -1.0
    if not 0 < value < 60_000:
        raise ConfigError(f'--latency: expected a time such as 30ms, got {arguments.latency}.')
    return value


def _replayed(
    arguments: argparse.Namespace, jobs: Sequence[Job]
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Do all jobs with a progress bar; return the summaries, and why bags failed."""
    from rich.markup import escape

    from m3l_core.bags.many import work_on_all
    from m3l_core.replay.bags import replay_bag

    results: dict[int, list[dict[str, Any]]] = {}
    failed: dict[str, str] = {}
    with progress_bars() as progress:
        bars = [progress.add_task(escape(job.name), total=1.0) for job in jobs]
        for outcome in work_on_all(
            replay_bag,
            jobs,
            workers=arguments.workers,
            ray=arguments.ray,
            on_progress=lambda index, share: progress.update(bars[index], completed=share),
        ):
            if outcome.problem:
                failed[jobs[outcome.index].name] = outcome.problem
            else:
                results[outcome.index] = outcome.result or []
    return [summary for index in sorted(results) for summary in results[index]], failed


def _warnings(summaries: Sequence[dict[str, Any]]) -> list[str]:
    """Return what was odd about the bags, once each."""
    return list(dict.fromkeys(text for summary in summaries for text in summary['warnings']))


def _write(summary: dict[str, Any], out: Path, *, has_report: bool) -> None:
    import json

    from m3l_core.files import write_atomically

    write_atomically(out / 'summary.json', json.dumps(summary, indent=1).encode())
    if has_report and summary['runs']:
        from m3l_core.replay.report import write_report

        write_report(out / 'report.html', out)
        print(f'report: {out / "report.html"}')
