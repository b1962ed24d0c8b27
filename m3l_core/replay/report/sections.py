"""Scores, latencies and the worst frames of a run as HTML."""

from __future__ import annotations

from html import escape
from typing import Any, TYPE_CHECKING

from m3l_core.replay.report.timeline import told
from m3l_core.replay.report.words import MODE_NAMES, NONE, percent, seconds, USED_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from m3l_core.replay.report.loading import RunView, Worst

MOST_ROWS = 60
"""Of a table; a machine reads the rest in `summary.json`."""

_BINS = 60
_EXPECTED = ('RGB', 'depth', 'labels', 'truth')

Score = dict[str, Any]


def table(caption: str, columns: Iterable[str], rows: Sequence[Iterable[str]]) -> str:
    """Return a table of cells that are HTML, the first `MOST_ROWS` of them; '' without rows."""
    body = ''.join(
        '<tr>' + ''.join(f'<td>{cell}</td>' for cell in cells) + '</tr>'
        for cells in rows[:MOST_ROWS]
    )
    if not body:
        return ''
    if len(rows) > MOST_ROWS:
        more = len(rows) - MOST_ROWS
        body += f'<tr><td class="quiet">and {more} more, all in summary.json</td></tr>'
    head = ''.join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    return (
        f'<div class="scroll"><table><caption>{escape(caption)}</caption>'
        f'<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def tiles(run: dict[str, Any]) -> str:
    """Return the numbers that matter most."""
    truth, compared, latency = run['truth'] or {}, run['compared'] or {}, run['latency']
    robust = compared.get('mm_robust')
    shown = [
        ('masks', str(run['frames'])),
        ('longest time without labels', seconds(run['longest_gap_s'])),
        ('latency, median', _milliseconds(latency['p50_ms'])),
        ('latency, 99 %', _milliseconds(latency['p99_ms'])),
        ('mIoU of all masks', percent((truth.get('overall') or {}).get('miou'))),
        ('MM-Robust', percent(truth.get('mm_robust') if robust is None else robust)),
    ]
    cells = ''.join(f'<div><b>{value}</b>{name}</div>' for name, value in shown if value != NONE)
    return f'<div class="tiles">{cells}</div>'


def conditions(run: dict[str, Any]) -> str:
    """Return what was asked of the run and what it gave, what was not met first."""
    return table(
        'conditions', ['condition', 'asked', 'got', ''],
        [
            [escape(c['name']), escape(c['limit']), escape(c['got']),
             '<span class="good">passed</span>' if c['passed']
             else '<span class="bad">FAILED</span>']
            for c in sorted(run['conditions'], key=lambda c: bool(c['passed']))
        ],
    )  # fmt: skip


def faults(run: dict[str, Any]) -> str:
    """Return how long each fault took to be answered."""
    return table(
        'faults', ['fault', 'from', 'to', 'mode wanted', 'there after', 'RGB-D again after',
                   'longest time without labels'],
        [
            [escape(fault['what']), f'{fault["start_s"]:.2f} s', f'{fault["end_s"]:.2f} s',
             MODE_NAMES.get(fault['expected_mode'], NONE), seconds(fault['switch_s']),
             seconds(fault['recovery_s']), seconds(fault['longest_gap_s'])]
            for fault in run['faults']
        ],
    )  # fmt: skip


def scores(result: dict[str, Any]) -> str:
    """Return mIoU by mode, by what masks were made from, and by class."""
    truth, compared = result.get('truth'), result.get('compared')
    parts = []
    if truth:
        by_used = {USED_NAMES[used]: score for used, score in truth['by_used'].items() if score}
        left = table(
            'against the truth', ['masks', 'frames', 'mIoU', 'accuracy'], _score_rows(truth)
        )
        left += _robustness('of these masks', truth)
        parts.append(_classes({'all masks': truth['overall'], **by_used}))
    else:
        left = '<p class="quiet">There is no ground truth to score against.</p>'
    if compared:
        left += _compared(compared)
    return f'<div class="columns"><div>{left}</div>{"".join(parts)}</div>'


def _score_rows(truth: dict[str, Any]) -> list[list[str]]:
    groups = [('all', truth['overall'])]
    groups += [(f'in mode {MODE_NAMES.get(m, m)}', score) for m, score in truth['by_mode'].items()]
    groups += [(f'from {USED_NAMES.get(u, u)}', score) for u, score in truth['by_used'].items()]
    return [
        [name, str(score['frames']), _meter(score['miou']), percent(score['accuracy'])]
        for name, score in groups
        if score
    ]


def _compared(compared: dict[str, Any]) -> str:
    """Return what the same pairs give with both images and with either alone."""
    names = {'both': 'RGB and depth', 'depth_missing': 'RGB alone', 'rgb_missing': 'depth alone'}
    rows = [
        [names.get(name, name), str(score['frames']), _meter(score['miou']),
         percent(score['accuracy'])]
        for name, score in (compared['scores'] or {}).items() if score
    ]  # fmt: skip
    agreement = compared['agreement'] or {}
    pairs = {'rgbd_rgb': 'RGB-D and RGB alone', 'rgbd_depth': 'RGB-D and depth alone',
             'rgb_depth': 'RGB alone and depth alone'}  # fmt: skip
    said = ', '.join(
        f'{pairs.get(pair, pair)} {percent(value)}' for pair, value in agreement.items()
    )
    return (
        table(f'the same {compared["frames"]} pairs, with both images and with either alone',
              ['made from', 'frames', 'mIoU', 'accuracy'], rows)
        + _robustness('of the same pairs', compared)
        + (f'<p class="small">Pixels with the same label: {said}.</p>' if said else '')
    )  # fmt: skip


def _robustness(what: str, scored: dict[str, Any]) -> str:
    if scored['mm_robust'] is None:
        return ''
    expected = ', '.join(
        f'E({p}) {percent(value)}' for p, value in (scored['expected'] or {}).items()
    )
    return (
        f'<p class="small">MM-Robust {what}: <b>{percent(scored["mm_robust"])}</b>; '
        f'{expected}.</p>'
    )


def _classes(groups: dict[str, Score]) -> str:
    """Return the IoU of each class, darker where it is higher."""
    overall = next(iter(groups.values()))
    rows = [
        [escape(name), *(_shaded(score['iou'].get(name)) for score in groups.values())]
        for name in overall['iou']
    ]
    return table('IoU of each class', ['class', *groups], rows)


def legend(view: RunView) -> str:
    """Return what the colors of labels mean."""
    items = ''.join(
        f'<span><i class="swatch" style="background:rgb({r},{g},{b})"></i>{escape(name)}</span>'
        for name, (r, g, b) in zip(view.classes.names, view.classes.palette, strict=True)
    )
    return f'<div class="legend">{items}</div>'


def latencies(run: dict[str, Any]) -> str:
    """Return a histogram of the time from image to labels."""
    counts = {int(ms): n for ms, n in run['latency']['histogram'].items()}
    if not counts:
        return '<p class="quiet">There is no mask to time.</p>'
    first, last = min(counts), max(counts)
    width = max(1, -(-(last - first + 1) // _BINS))
    bins = [
        sum(counts.get(ms, 0) for ms in range(start, start + width))
        for start in range(first, last + 1, width)
    ]
    most = max(bins)
    bars = ''.join(
        f'<i style="height:{max(1.5, 100 * n / most) if n else 0:.1f}%" '
        f'title="{first + i * width} to {first + (i + 1) * width} ms: {n}"></i>'
        for i, n in enumerate(bins)
    )
    end = first + len(bins) * width
    latency = run['latency']
    said = (
        f'median {_milliseconds(latency["p50_ms"])}, 99 % {_milliseconds(latency["p99_ms"])}, '
        f'longest {_milliseconds(latency["max_ms"])}; the tallest bar is {most} masks'
    )
    return (
        f'<div class="bars" role="img" aria-label="Histogram of latency: {said}">{bars}</div>'
        f'<div class="axis" aria-hidden="true"><span style="left:0">{first} ms</span>'
        f'<span style="left:100%">{end} ms</span></div><p class="small">{said}; '
        f'{escape(run["timing"])}.</p>'
    )


def worst(frames: list[Worst]) -> str:
    """Return the worst frames, each with its images side by side."""
    if not frames:
        return '<p class="quiet">No frame was kept.</p>'
    has_truth = any(picture.what == 'truth' for frame in frames for picture in frame.pictures)
    expected = _EXPECTED if has_truth else _EXPECTED[:-1]
    order = (
        'The lowest mIoU first.'
        if has_truth
        else 'First those whose labels from RGB alone and from depth alone agree least with those '
        'from both, then the least confident.'
    )
    listed = ''.join(_frame(frame, expected) for frame in frames)
    return (
        f'<p class="small quiet">{order} Shown is what the network got.</p>'
        f'<ol class="worst">{listed}</ol>'
    )


def _frame(frame: Worst, expected: tuple[str, ...]) -> str:
    said = escape(told(frame.record))
    at = f'frame {frame.record["index"]} at {frame.record["labeled_s"]:.2f} s'
    sources = {picture.what: picture.source for picture in frame.pictures}
    figures = ''.join(
        f'<figure><img loading="lazy" src="{sources[what]}" alt="{what} of {at}">'
        f'<figcaption>{what}</figcaption></figure>'
        if what in sources
        else f'<figure><div class="absent">no {what}</div><figcaption>{what}</figcaption></figure>'
        for what in expected
    )
    return (
        f'<li><p class="small">{said} <button type="button" '
        f'data-time="{frame.record["labeled_s"]}">show on the timeline</button></p>'
        f'<div class="pictures">{figures}</div></li>'
    )


def _milliseconds(value: float | None) -> str:
    return NONE if value is None else f'{value:.0f} ms'


def _meter(value: float | None) -> str:
    if value is None:
        return NONE
    return f'<span class="meter"><i style="width:{value:.1f}%"></i></span>{percent(value)}'


def _shaded(value: float | None) -> str:
    if value is None:
        return NONE
    shade = f'rgba(var(--cell),{0.5 * value / 100:.2f})'
    return f'<span style="background:{shade};padding:.1rem .4rem">{value:.1f}</span>'
