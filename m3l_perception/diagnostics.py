"""What the node tells of itself once a second, from what stream and engine have counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from m3l_core.stream import Mode
from m3l_perception.inference import EngineState
from m3l_perception.messages import ERROR, milliseconds, OK, status, WARN

if TYPE_CHECKING:
    from diagnostic_msgs.msg import DiagnosticStatus

    from m3l_core.stream import InputStatistics, StreamStatistics
    from m3l_perception.camera_input import CameraInput
    from m3l_perception.inference import Inference, Labeled

SILENT_AFTER_S = 2.0
"""Silence of an input that is worth a word about its publishers."""


def frame_status(name: str, labeled: Labeled) -> DiagnosticStatus:
    """Return what one mask was made from; goes with the mask's header."""
    taken, frame = labeled.taken, labeled.decoded.frame
    used = [
        modality
        for modality, image in (('rgb', frame.rgb), ('depth', frame.depth_m))
        if image is not None
    ]
    values: dict[str, object] = {
        'used': '+'.join(used),
        'mode': taken.mode.value,
        'reason': taken.reason,
        'pair_gap_ms': milliseconds(taken.pair_gap_ns),
        'wait_ms': milliseconds(taken.wait_ns),
        'decode_ms': labeled.decode_ms,
        'engine_ms': labeled.segmentation.engine_ms,
        'problem': ' '.join(labeled.decoded.problems),
    }
    return status(name, OK if len(used) == 2 else WARN, '+'.join(used), values)


def input_status(
    name: str,
    camera: CameraInput,
    counted: InputStatistics,
    *,
    mode: Mode,
    silent_s: float,
) -> DiagnosticStatus:
    """Return how one input fares; without any input, that is an error from the first moment."""
    values: dict[str, object] = {
        'topic': camera.topic,
        'transport': camera.transport,
        'received': counted.received,
        'rate_hz': 1e9 / counted.period_ns if counted.period_ns else None,
        'age_ms': milliseconds(counted.age_ns),
        'zero_stamps': counted.zero_stamps,
        **{f'dropped_{reason}': count for reason, count in counted.drops.items()},
    }
    if mode is Mode.NO_INPUT:
        return status(name, ERROR, silence(camera, silent_s), values)
    if silent_s >= SILENT_AFTER_S:
        return status(name, WARN, silence(camera, silent_s), values)
    return status(name, OK, 'receiving', values)


def silence(camera: CameraInput, silent_s: float) -> str:
    """Return which topic is silent, how long, and what is known of its publishers."""
    return f'{camera.topic}: nothing for {silent_s:.1f} s: {camera.why_silent()}'


def pairing_status(
    name: str, mode: Mode, reason: str, counted: StreamStatistics
) -> DiagnosticStatus:
    """Return the mode and how images pair."""
    values = {
        'mode': mode.value,
        'reason': reason,
        'pairs': counted.pairs,
        'lone': counted.lone,
        'max_gap_ms': milliseconds(counted.gap_ns),
        'depth_lag_ms': milliseconds(counted.lag_ns),
        'pair_wait_ms': milliseconds(counted.wait_ns),
    }
    level = {Mode.RGBD: OK, Mode.NO_INPUT: ERROR}.get(mode, WARN)
    return status(name, level, f'{mode.value}: {reason}', values)


def engine_status(name: str, inference: Inference) -> DiagnosticStatus:
    """Return how far the network is and how fast."""
    values: dict[str, object] = {'state': inference.state.value}
    if inference.segmenter is not None:
        engine = inference.segmenter.engine
        values |= {
            'model': engine.card.name,
            'backend': engine.backend,
            'precision': engine.precision,
        }
    times_ms = list(inference.engine_ms)
    if times_ms:
        values['p50_ms'], values['p99_ms'] = map(float, np.percentile(times_ms, (50, 99)))
    values['labeled'] = inference.labeled
    values |= {f'bad: {what}': count for what, count in inference.bad_frames.items()}
    level = {EngineState.READY: OK, EngineState.BUILDING: WARN}.get(inference.state, ERROR)
    summary = inference.problem or inference.state.value
    return status(name, level, summary, values)
