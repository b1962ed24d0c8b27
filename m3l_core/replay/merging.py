"""Many runs as one: sums of what can be summed, the worst of what cannot."""

from __future__ import annotations

from collections import Counter
from typing import Any, TYPE_CHECKING

from m3l_core.replay.scores import Comparison, TruthScores
from m3l_core.replay.timing import Histogram

if TYPE_CHECKING:
    from collections.abc import Sequence


def merged(summaries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the summary of all runs together; they have the same network.

    Scores come from summed confusion matrices, never from an average of scores.

    Args:
        summaries: At least one.
    """
    names = summaries[0]['classes']
    truth, comparison, latency = TruthScores(names), Comparison(names), Histogram()
    used: Counter[str] = Counter()
    mode_seconds: Counter[str] = Counter()
    for summary in summaries:
        if summary['truth'] is not None:
            truth.add_dict(summary['truth'])
        if summary['compared'] is not None:
            comparison.add_dict(summary['compared'])
        latency.add_dict(summary['latency'])
        used.update(summary['used'])
        for mode, seconds in summary['mode_seconds'].items():
            mode_seconds[mode] += seconds
    gaps = [s['longest_gap_s'] for s in summaries if s['longest_gap_s'] is not None]
    return {
        'runs': len(summaries),
        'frames': sum(summary['frames'] for summary in summaries),
        'duration_s': round(sum(summary['duration_s'] for summary in summaries), 6),
        'used': dict(used),
        'mode_seconds': {mode: round(s, 6) for mode, s in sorted(mode_seconds.items())},
        'longest_gap_s': max(gaps, default=None),
        'latency': latency.to_dict(),
        'truth': truth.to_dict() if truth.frames + truth.without else None,
        'compared': comparison.to_dict(),
        'passed': all(summary['passed'] for summary in summaries),
    }


def replay_summary(summaries: Sequence[dict[str, Any]], failed: dict[str, str]) -> dict[str, Any]:
    """Return all of a replay for JSON.

    Args:
        summaries: Of the runs that were done.
        failed: Why other bags could not be replayed, by their names.
    """
    by_scenario: dict[str, list[dict[str, Any]]] = {}
    for summary in summaries:
        variant = f'.{summary["variant"]}' if summary['variant'] else ''
        by_scenario.setdefault(summary['scenario'] + variant, []).append(summary)
    return {
        'runs': list(summaries),
        'by_scenario': {title: merged(runs) for title, runs in by_scenario.items()},
        'merged': merged(summaries) if summaries else None,
        'failed': failed,
        'passed': bool(summaries) and not failed and all(s['passed'] for s in summaries),
    }
