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

    def add_input(
        self, camera: CameraInput, counted: InputStatistics, *, mode: Mode, silent_s: float
    ) -> None:
        """Tell how one input fares; while nothing comes at all, its silence is an error."""
        values: dict[str, object] = {
            'topic': camera.topic,
            'transport': camera.transport,
            'received': counted.received,
            'rate_hz': 1e9 / counted.period_ns if counted.period_ns else None,
            'age_ms': milliseconds(counted.age_ns),
            'zero_stamps': counted.zero_stamps,
            **{f'dropped_{reason}': count for reason, count in counted.drops.items()},
        }
        what, is_silent = camera.modality.name.lower(), silent_s >= SILENT_AFTER_S
        if mode is not Mode.NO_INPUT and not is_silent:
            self._add(what, OK, 'receiving', values)
            return
        silence = f'{camera.topic}: nothing for {silent_s:.1f} s: {camera.why_silent()}'
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
            'depth_lag_ms': milliseconds(counted.lag_ns),
            'pair_wait_ms': milliseconds(counted.wait_ns),
        }
        level = {Mode.RGBD: OK, Mode.NO_INPUT: ERROR}.get(mode, WARN)
        self._add('pairing', level, f'{mode.value}: {reason}', values)

    def add_clock(self, now_ns: int, active_s: float) -> None:
        """Tell that a simulated clock stands at zero; a clock that runs is no news."""
        if now_ns == 0 and active_s >= SILENT_AFTER_S:
            problem = 'use_sim_time is set, but nothing comes on /clock: start what publishes it.'
            self.add_problem('clock', problem)
            self.missing.append(problem)

    def add_engine(self, inference: Inference) -> None:
        """Tell how far the network is, and how fast."""
        values: dict[str, object] = {'state': inference.state.value}
        if inference.segmenter is not None:
            engine = inference.segmenter.engine
            values['model'] = engine.card.name
            values['backend'], values['precision'] = engine.backend, engine.precision
        times_ms = list(inference.engine_ms)
        if times_ms:
            values['p50_ms'], values['p99_ms'] = map(float, np.percentile(times_ms, (50, 99)))
        values['labeled'] = inference.labeled
        values |= {f'bad: {what}': count for what, count in inference.bad_frames.copy().items()}
        level = {EngineState.READY: OK, EngineState.BUILDING: WARN}.get(inference.state, ERROR)
        summary = inference.problem or inference.state.value
        # Told once: the next report is clean unless another image is bad by then.
        bad_image, inference.last_problem = inference.last_problem, ''
        if bad_image and level == OK:
            level, summary = WARN, bad_image
        self._add('engine', level, summary, values)

    def _add(self, what: str, level: bytes, summary: str, values: dict[str, object]) -> None:
        self.statuses.append(status(f'{self._prefix}: {what}', level, summary, values))
