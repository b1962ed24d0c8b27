"""What happened when: faults, modes, gaps and scores of a run over time, as HTML."""

from __future__ import annotations

from html import escape
from itertools import pairwise
import json
from typing import Any, TYPE_CHECKING

from m3l_core.replay.report.words import MODE_NAMES, percent, seconds, USED_NAMES

if TYPE_CHECKING:
    from m3l_core.replay.report.loading import RunView

_LANES_OF_FAULTS = 12
_MOST_BARS = 400
"""Of a lane: more of them are narrower than a pixel or two each."""

_NAMED_SHARE = 0.06
"""Share of the width below which a bar has no room for its name; its tooltip has it."""


_COLOR_OF = {'rgbd': 'RGBD', 'rgb': 'RGB_ONLY', 'depth': 'DEPTH_ONLY'}


def timeline(view: RunView) -> str:
    """Return the lanes over one time axis, with a cursor."""
    lanes = [*_faults(view), _modes(view), _made_from(view), _gaps(view), _curve(view)]
    return (
        '<div class="timeline">'
        + ''.join(lanes)
        + _axis(view.end_s, 's')
        + '<div class="cursor"></div></div>'
    )


def viewer(view: RunView) -> str:
    """Return the slider and the place where the frame under the cursor is shown, and its data."""
    frames = [
        {
            't': record['labeled_s'],
            'text': told(record),
            'panels': record['panels'],
            'source': record['source'],
        }
        for record in view.strips
    ]
    data = json.dumps({'end': view.end_s, 'frames': frames}, separators=(',', ':'))
    script = f'<script type="application/json">{data.replace("<", chr(92) + "u003c")}</script>'
    if not frames:
        return f'{script}<p class="quiet">No frame of this run was kept for looking at.</p>'
    names = ['RGB', 'depth', 'labels', 'truth'][: max(frame['panels'] for frame in frames)]
    parts = ''.join(f'<span>{name}</span>' for name in names)
    return (
        f'{script}<div class="viewer"><label class="small quiet">Frame (point at the timeline, '
        f'or move this with the arrow keys; {len(frames)} of {view.summary["frames"]} were kept)'
        f'<input type="range" min="0" max="{len(frames) - 1}" value="0"></label>'
        f'<output class="small" aria-live="polite"></output>'
        f'<div class="scroll"><img alt="" src="{frames[0]["source"]}">'
        f'<div class="parts">{parts}</div></div></div>'
    )


def told(record: dict[str, Any]) -> str:
    """Return one line on a mask."""
    parts = [
        f'{record["labeled_s"]:.2f} s',
        f'mode {MODE_NAMES.get(record["mode"], record["mode"])}',
        f'made from {USED_NAMES.get(record["used"], record["used"])} ({record["reason"]})',
        f'{record["latency_ms"]:.0f} ms after the image',
    ]
    if record['miou'] is not None:
        parts.append(f'mIoU {percent(record["miou"])}')
    parts.append(f'confidence {record["confidence"]:.2f}')
    for stream, share in (record['agreement'] or {}).items():
        name = 'RGB' if stream == 'rgb' else stream
        parts.append(f'{name} alone agrees in {percent(share)}')
    parts += [*record['sick'].values(), *record['problems']]
    return ', '.join(parts)


def _lane(name: str, track: str, kind: str = '') -> str:
    return (
        f'<div class="lane"><span class="name">{escape(name)}</span>'
        f'<div class="track {kind}">{track}</div></div>'
    )


def _bar(view: RunView, start_s: float, end_s: float, kind: str, text: str, tip: str) -> str:
    left, width = 100 * start_s / view.end_s, 100 * max(end_s - start_s, 0) / view.end_s
    shown = escape(text) if width > 100 * _NAMED_SHARE else ''
    return (
        f'<span class="{kind}" style="left:{left:.3f}%;width:{width:.3f}%" '
        f'title="{escape(tip)}">{shown}</span>'
    )


def _faults(view: RunView) -> list[str]:
    """Return a lane for each modality that is hurt; one after another when they overlap."""
    lanes: list[tuple[str, float, list[str]]] = []
    faults = view.summary['faults']
    spans = [(fault['start_s'], fault['end_s']) for fault in faults]
    drawn = [faults[index] for index in _drawable(spans, view.end_s)]
    for fault in sorted(drawn, key=lambda fault: fault['start_s']):
        end_s = min(fault['end_s'], view.end_s)
        tip = f'{fault["what"]}, {fault["start_s"]:.2f} to {end_s:.2f} s'
        bar = _bar(view, fault['start_s'], end_s, 'fault', fault['what'], tip)
        for place, (modality, until_s, bars) in enumerate(lanes):
            if modality == fault['modality'] and until_s <= fault['start_s']:
                lanes[place] = (modality, end_s, [*bars, bar])
                break
        else:
            lanes.append((fault['modality'], end_s, [bar]))
    rest = _not_drawn(len(faults) - len(drawn))
    shown = [
        _lane(f'fault of {"RGB" if modality == "rgb" else modality}{rest}', ''.join(bars))
        for modality, _, bars in lanes[:_LANES_OF_FAULTS]
    ]
    return shown or [_lane('faults: none', '')]


def _modes(view: RunView) -> str:
    changes = [(0.0, 'NO_INPUT', 'start')]
    changes += [(t['at_s'], t['mode'], t['reason']) for t in view.summary['transitions']]
    ends = [at_s for at_s, _, _ in changes[1:]] + [view.end_s]
    spans = [(change[0], end_s) for change, end_s in zip(changes, ends, strict=True)]
    drawn = [changes[index] for index in _drawable(spans, view.end_s)]
    bars = []
    for (start_s, mode, reason), (end_s, _, _) in pairwise([*drawn, (view.end_s, '', '')]):
        name = MODE_NAMES.get(mode, mode)
        tip = f'{name} from {start_s:.2f} to {end_s:.2f} s: {reason}'
        if end_s > start_s:
            bars.append(_bar(view, start_s, end_s, mode, name, tip))
    return _lane(f'mode{_not_drawn(len(changes) - len(drawn))}', ''.join(bars))


def _drawable(spans: list[tuple[float, float]], end_s: float) -> list[int]:
    """Return which of some stretches of time to draw: of too many, the longest of each place."""
    if len(spans) <= _MOST_BARS:
        return list(range(len(spans)))
    longest: dict[int, int] = {}
    for index, (start_s, until_s) in enumerate(spans):
        place = int(_MOST_BARS * start_s / end_s)
        other = longest.get(place)
        if other is None or until_s - start_s > spans[other][1] - spans[other][0]:
            longest[place] = index
    return sorted(longest.values())


def _not_drawn(number: int) -> str:
    return f' ({number} shorter ones are not drawn)' if number else ''


def _made_from(view: RunView) -> str:
    """Return what the network was given, which is a matter of each mask and not of the mode."""
    gaps = [(gap['start_s'], gap['end_s']) for gap in view.summary['gaps']]
    stretches: list[tuple[float, float, str]] = []  # each up to the next, or to a gap before it
    before_s = 0.0
    for at_s, used in [*((p['labeled_s'], p['used']) for p in view.points), (view.end_s, '')]:
        gap_s = next(
            (start_s for start_s, end_s in gaps if before_s <= start_s < end_s <= at_s), None
        )
        if stretches:
            start_s, _, other = stretches[-1]
            stretches[-1] = (start_s, at_s if gap_s is None else gap_s, other)
        if not stretches or gap_s is not None or stretches[-1][2] != used:
            stretches.append((at_s, at_s, used))
        before_s = at_s
    bars = []
    for start_s, end_s, used in stretches[:-1]:
        name = USED_NAMES.get(used, used)
        tip = f'from {name}: {start_s:.2f} to {end_s:.2f} s'
        bars.append(_bar(view, start_s, end_s, _COLOR_OF[used], name, tip))
    return _lane('labels made from', ''.join(bars))


def _gaps(view: RunView) -> str:
    bars = [
        _bar(
            view, gap['start_s'], gap['end_s'], 'gap', seconds(gap['seconds']),
            f'no labels for {seconds(gap["seconds"])} from {gap["start_s"]:.2f} s',
        )
        for gap in view.summary['gaps']
    ]  # fmt: skip
    longest = seconds(view.summary['longest_gap_s'])
    return _lane(f'times without labels (longest {longest})', ''.join(bars))


def _curve(view: RunView) -> str:
    """Return the score of masks over time: a point for each, as a stretched drawing."""
    scored = any(point['miou'] is not None for point in view.points)
    points = [
        (point['labeled_s'], point['miou'] if scored else 100 * point['confidence'])
        for point in view.points
    ]
    shown = [(time_s, value) for time_s, value in points if value is not None]
    name = 'mIoU of a mask, %' if scored else 'mean confidence of a mask, %'
    top = 25 * max(1, -(-max((value for _, value in shown), default=100) // 25))
    marks = ''.join(
        f'M{1000 * time_s / view.end_s:.1f} {100 - 100 * value / top:.1f}h0'
        for time_s, value in shown
    )
    drawing = (
        '<svg viewBox="0 0 1000 100" preserveAspectRatio="none" aria-hidden="true">'
        '<path d="M0 50H1000" stroke="var(--line)" vector-effect="non-scaling-stroke"/>'
        f'<path d="{marks}" stroke="var(--curve)" stroke-width="4" stroke-linecap="round" '
        'fill="none" vector-effect="non-scaling-stroke"/></svg>'
        '<i class="scale" style="top:0">'
        f'{top:g}</i><i class="scale" style="bottom:0">0</i>'
    )
    return _lane(name, drawing, 'tall')


def _axis(end: float, unit: str) -> str:
    """Return about five round numbers below a drawing that spans 0 to `end`."""
    step = next((s for s in _steps() if end / s <= 6), end)
    ticks = [step * i for i in range(int(end / step + 1e-6) + 1)]
    labels = ''.join(
        f'<span style="left:{100 * tick / end:.2f}%">{tick:g}{" " + unit if not tick else ""}'
        '</span>'
        for tick in ticks
    )
    return f'<div class="axis" aria-hidden="true">{labels}</div>'


def _steps() -> list[float]:
    return [digit * 10.0**power for power in range(-3, 7) for digit in (1, 2, 5)]
