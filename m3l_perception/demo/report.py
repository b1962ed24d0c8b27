"""The demo's table."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table

from m3l_core.frames import Modality
from m3l_perception.demo.score import latency_ms, periods_s

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from m3l_core.model_card import ModelCard
    from m3l_perception.demo.recorder import Recording
    from m3l_perception.demo.score import GapRow

EXCUSES = {
    'paused': 'the machine stood still meanwhile; the gap says nothing of the node.',
    'stalled': 'no image of the camera that lives arrived either: processes that come and go hold '
    'locks of Fast DDS, see docs/ros.md.',
}
"""Why a gap that is longer, or a mode that is later, than promised breaks no promise."""

_CONDITION = {'rgb+depth': 'both', 'rgb': 'depth_missing', 'depth': 'rgb_missing'}
"""Which of the card's scores belongs to the modalities a mask was made from."""


def print_report(
    console: Console,
    rows: Sequence[GapRow],
    recording: Recording,
    card: ModelCard,
    began_s: float,
    *,
    is_sample: bool,
) -> None:
    """Print gaps against promises, modes over time, frames, latency and scores."""
    console.print(_gaps(rows))
    timeline = '  '.join(
        f'{max(0, record.arrival_s - began_s):.1f} s {record.mode}' for record in recording.modes
    )
    console.print(f'Modes: {timeline}')
    console.print(_frames(recording))
    if recording.agreement:
        console.print(_scores(recording, card, is_sample=is_sample))


def _gaps(rows: Sequence[GapRow]) -> Table:
    table = Table(title='Longest time without a label')
    for header in ('what happened', 'gap', 'promised', 'mode', 'after', ''):
        table.add_column(header, justify='right' if header in ('gap', 'promised') else 'left')
    for row in rows:
        after_s = row.mode_after_s
        table.add_row(
            row.event.name,
            f'{1e3 * row.gap_s:.0f} ms',
            '-' if row.promise_s == inf else f'{1e3 * row.promise_s:.0f} ms',
            row.event.expected_mode,
            'never' if after_s == inf else f'{after_s:.2f} s',
            row.verdict,
        )
    return table


def _frames(recording: Recording) -> str:
    periods = periods_s(recording.images)
    came = ', '.join(
        f'{len(recording.images[m])} {m.name.lower()} at {1 / periods[m]:.1f} Hz' for m in Modality
    )
    engine = np.percentile([mask.engine_ms for mask in recording.masks], (50, 99))
    median, high = latency_ms(recording.masks)
    return (
        f'Frames in: {came}. Labels out: {len(recording.masks)}.\n'
        f'Image to label: {median:.0f} ms at the median, {high:.0f} ms p99; '
        f'engine {engine[0]:.0f} / {engine[1]:.0f} ms.'
    )


def _scores(recording: Recording, card: ModelCard, *, is_sample: bool) -> Table:
    title = 'mIoU in %, live against the labels in the bag'
    if is_sample:
        title += ' (rendered, not real accuracy)'
    table = Table(title=title)
    for header in ('made from', 'in this bag', 'NYUv2 val (model card)'):
        table.add_column(header, justify='left' if header == 'made from' else 'right')
    measured = card.metrics.get('val', {})
    for used, condition in _CONDITION.items():
        if used in recording.agreement:
            real = measured.get(condition)
            table.add_row(
                used,
                f'{recording.agreement[used].mean_iou():.1f}',
                '-' if real is None else f'{real:.1f}',
            )
    return table
