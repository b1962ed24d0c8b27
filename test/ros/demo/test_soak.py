"""What `benchmarks/soak.py` makes of what was recorded."""

from __future__ import annotations

from argparse import Namespace
from math import inf
from pathlib import Path
import sys
from typing import Any

import pytest

from m3l_perception.demo.faults import Usage
from m3l_perception.demo.score import Event, GapRow

BENCHMARKS = Path(__file__).parents[3] / 'benchmarks'
KILLED = Event('depth killed', 1.0, 'RGB_ONLY', periods=1)
KEPT = GapRow(KILLED, gap_s=0.12, promise_s=0.16, mode_after_s=0.4, mode_promise_s=0.5)
LATE = GapRow(KILLED, gap_s=0.12, promise_s=0.16, mode_after_s=inf, mode_promise_s=0.5)
STALLED = GapRow(
    KILLED, gap_s=1.1, promise_s=0.16, mode_after_s=0.4, mode_promise_s=0.5, unheard_s=1.0
)
START = Usage(resident_mb=280.0, threads=23, descriptors=23)


def summary(
    monkeypatch: pytest.MonkeyPatch,
    out: Path,
    *rows: GapRow,
    end: Usage = START,
    minutes: float = 10.0,
    log: str = '[WARN] RGBD -> RGB_ONLY',
) -> dict[str, Any]:
    monkeypatch.setattr(sys, 'path', [str(BENCHMARKS), *sys.path])
    import soak

    (out / 'node.log').write_text(log)
    arguments = Namespace(out=out, bag=Path('rooms'), cycles=len(rows))
    usages = [(10.0, Usage(0.0, 0, 0)), (130.0, START), (600.0, end)]
    result: dict[str, Any] = soak.summary(arguments, list(rows), usages, minutes)
    return result


def test_a_stalled_transport_is_told_and_breaks_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    result = summary(monkeypatch, tmp_path, KEPT, STALLED)
    assert not result['broken']
    assert result['excused'] == [
        'depth killed: gap 1100.0 of 160.0 ms, mode after 400.0 ms (at most 500.0); machine '
        'paused 0.0 ms, living camera unheard 1000.0 ms (mode due 0.0 ms later)'
    ]
    assert (result['promised'], result['kept'], result['modes_in_time']) == (2, 1, 2)


def test_a_mode_that_never_came_is_the_worst(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    at_once = GapRow(KILLED, gap_s=0.1, promise_s=0.16, mode_after_s=0.0, mode_promise_s=0.5)
    assert summary(monkeypatch, tmp_path, KEPT, at_once)['worst']['depth killed']['mode_ms'] == 400
    result = summary(monkeypatch, tmp_path, KEPT, LATE)
    assert result['worst']['depth killed']['mode_ms'] is None
    assert len(result['broken']) == 1


@pytest.mark.parametrize(
    ('otherwise', 'said'),
    [
        ({'minutes': 9.9}, 'incomplete: 9.9 of 10 minutes'),
        ({'end': Usage(290.1, 23, 23)}, 'memory: 280 MB grew to 290 MB'),
        ({'end': Usage(290.0, 24, 23)}, 'threads: 23 became 24'),
        ({'log': '[ERROR] no engine'}, 'log: [ERROR] no engine'),
    ],
)
def test_what_is_not_as_it_must_be_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, otherwise: dict[str, Any], said: str
) -> None:
    assert summary(monkeypatch, tmp_path, KEPT, **otherwise)['broken'] == [said]
