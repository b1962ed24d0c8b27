"""What the node tells of itself once a second, from what stream and engine have counted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from m3l_core.stream import Mode
from m3l_perception.inference import EngineState
from m3l_perception.messages import ERROR, milliseconds, OK, status, WARN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from diagnostic_msgs.msg import DiagnosticStatus

    from m3l_core.stream import InputStatistics, StreamStatistics
    from m3l_perception.camera_input import CameraInput
    from m3l_perception.inference import Inference, Labeled
    from m3l_perception.inputs import Inputs

SILENT_AFTER_S = 2.0
"""Silence of an input that is worth a word about its publishers."""


def frame_status(name: str, labeled: Labeled) -> DiagnosticStatus:
    """Return what one mask was made from; goes with the mask's header."""
    taken, frame = labeled.taken, labeled.seen.frame
    images = (('rgb', frame and frame.rgb), ('depth', frame and frame.depth_m))
    used = [what for what, image in images if image is not None]
    values: dict[str, object] = {
        'used': '+'.join(used),
        'mode': taken.mode.value,
        'reason': taken.reason,
        'pair_gap_ms': milliseconds(taken.pair_gap_ns),
        'wait_ms': milliseconds(taken.wait_ns),
        'decode_ms': labeled.decode_ms,
        'engine_ms': labeled.segmentation.engine_ms,
        'problem': labeled.seen.remarks,
    }
    return status(name, OK if len(used) == 2 else WARN, '+'.join(used), values)


class Report:
    """What the node tells of itself at one moment.

    Attributes:
        statuses: For the message.
        missing: What a person must know when nothing comes out; for the log.
    """

    def __init__(self, node_name: str) -> None:
        self._prefix = node_name
        self.statuses: list[DiagnosticStatus] = []
        self.missing: list[str] = []

    def add_problem(self, what: str, problem: str) -> None:
        """Tell an error of which there is no more to tell."""
        self._add(what, ERROR, problem, {})

    def add_inputs(
        self, inputs: Inputs, counted: StreamStatistics, *, mode: Mode, active_s: float
    ) -> None:
        """Tell how each input fares; the optional one only if somebody publishes on it."""
        self._add_input('rgb', inputs.rgb, counted.rgb, mode, active_s)
        self._add_input('depth', inputs.depth, counted.depth, mode, active_s)
        if counted.fallback.received or inputs.fallback.has_publisher:
            health = counted.fallback.health
            values = _input_values(inputs.fallback, counted.fallback)
            summary = health or 'used when rgb and depth both stop'
            self._add('depth_fallback', WARN if health else OK, summary, values)

    def _add_input(
        self,
        what: str,
        camera: CameraInput,
        counted: InputStatistics,
        mode: Mode,
        active_s: float,
    ) -> None:
        """Tell how one input fares; while nothing comes at all, its silence is an error."""
        silent_s = active_s if counted.age_ns is None else counted.age_ns / 1e9
        values, is_silent = _input_values(camera, counted), silent_s >= SILENT_AFTER_S
        if mode is not Mode.NO_INPUT and not is_silent:
            health = counted.health
            self._add(what, WARN if health else OK, health or 'receiving', values)
            return
        silence = f'{camera.topic}: {_silence(camera, counted, silent_s)}'
        self._add(what, ERROR if mode is Mode.NO_INPUT else WARN, silence, values)
        if is_silent:
            self.missing.append(silence)

    def add_pairing(self, mode: Mode, reason: str, counted: StreamStatistics) -> None:
        """Tell the mode and how images pair."""
        values: dict[str, object] = {
            'mode': mode.value,
            'reason': reason,
            'pairs': counted.pairs,
            'lone': counted.lone,
            'max_gap_ms': milliseconds(counted.gap_ns),
            'skew_ms': milliseconds(counted.skew_ns),
            'depth_lag_ms': milliseconds(counted.lag_ns),
            'pair_wait_ms': milliseconds(counted.wait_ns),
        }
        if counted.offset_ns is not None:
            values['depth_stamp_offset_to_set'] = f'{counted.offset_ns / 1e9:.3f}'
        level = {Mode.RGBD: OK, Mode.NO_INPUT: ERROR}.get(mode, WARN)
        self._add('pairing', level, f'{mode.value}: {reason}', values)

    def add_clock(self, now_ns: int, active_s: float, *, publishers: int) -> None:
        """Tell that a simulated clock never ran, or was left by its last publisher.

        A clock that runs is no news, and one that its publisher holds is a pause and no fault.
        """
        if now_ns == 0 and active_s >= SILENT_AFTER_S:
            problem = 'use_sim_time is set, but nothing comes on /clock: start what publishes it.'
            self.add_problem('clock', problem)
            self.missing.append(problem)
        elif now_ns and not publishers:
            problem = (
                'nobody publishes /clock any more: simulated time stands still, and no silence '
                'of a camera is noticed. Start what publishes it, or unset use_sim_time.'
            )
            self._add('clock', WARN, problem, {'stands_at_s': now_ns / 1e9})
            self.missing.append(problem)

    def add_engine(
        self, inference: Inference, remarks: Sequence[str] = (), *, building: str = ''
    ) -> None:
        """Tell how far the network is, how fast, and what is odd about what it gets or gives.

        Args:
            inference: The thread that runs it.
            remarks: What else is worth a word; '' is none.
            building: What takes long while it is being loaded; '' is none.
        """
        values: dict[str, object] = {'state': inference.state.value}
        if inference.segmenter is not None:
            engine = inference.segmenter.engine
            values['model'] = engine.card.name
            values['backend'], values['precision'] = engine.backend, engine.precision
        times_ms = list(inference.engine_ms)
        if times_ms:
            values['p50_ms'], values['p99_ms'] = map(float, np.percentile(times_ms, (50, 99)))
        values['labeled'] = inference.labeled
        values |= {f'skipped_{why}': count for why, count in inference.skipped.copy().items()}
        values |= {f'bad: {what}': count for what, count in inference.bad_frames.copy().items()}
        level = {EngineState.READY: OK, EngineState.BUILDING: WARN}.get(inference.state, ERROR)
        summary = inference.problem or inference.state.value
        if building and inference.state is EngineState.BUILDING:
            summary = f'{summary}: {building}'
        # Told once: the next report is clean unless another image is odd by then.
        odd, inference.last_problem = [inference.last_problem, *remarks], ''
        if any(odd) and level == OK:
            level, summary = WARN, '; '.join(filter(None, odd))
        self._add('engine', level, summary, values)

    def _add(self, what: str, level: bytes, summary: str, values: dict[str, object]) -> None:
        self.statuses.append(status(f'{self._prefix}: {what}', level, summary, values))


def _silence(camera: CameraInput, counted: InputStatistics, silent_s: float) -> str:
    """Return in words why an input gives nothing to label."""
    heard_s = math.inf if counted.heard_age_ns is None else counted.heard_age_ns / 1e9
    if heard_s < min(silent_s, SILENT_AFTER_S):
        return (
            f'images come, but for {silent_s:.1f} s none is stamped later than those before: '
            'its stamps stand still or repeat. See to the clock of the camera or simulation.'
        )
    return f'nothing for {silent_s:.1f} s: {camera.why_silent()}'


def _input_values(camera: CameraInput, counted: InputStatistics) -> dict[str, object]:
    drops = {**counted.drops, **({'malformed': camera.malformed} if camera.malformed else {})}
    return {
        'topic': camera.topic,
        'transport': camera.transport,
        'qos': camera.qos,
        'received': counted.received,
        'rate_hz': 1e9 / counted.period_ns if counted.period_ns else None,
        'age_ms': milliseconds(counted.age_ns),
        'zero_stamps': counted.zero_stamps,
        'health': counted.health or 'ok',
        'sick': counted.sick,
        **{f'dropped_{reason}': count for reason, count in drops.items()},
    }
