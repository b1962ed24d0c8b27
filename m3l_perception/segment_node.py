"""The node: images in, label images out, for as long as one camera stream lives."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.task import Future

from m3l_core.stream import Mode
from m3l_core.stream.throttle import Throttle
from m3l_perception.diagnostics import Report
from m3l_perception.inbox import Inbox
from m3l_perception.inference import EngineState, Inference
from m3l_perception.inputs import Inputs
from m3l_perception.loading import Loading
from m3l_perception.oddities import Oddities
from m3l_perception.outputs import Outputs
from m3l_perception.parameters import Parameters
from m3l_perception.process import run_node

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rclpy.lifecycle import LifecycleState

    from m3l_core.runtime import Segmenter
    from m3l_core.stream import StreamConfig, Taken, Transition
    from m3l_perception.inference import Labeled
    from m3l_perception.parameters import LabelingConfig

_SUCCESS, _FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE

_THROTTLE_S = 5.0

_JOIN_S = 0.7
"""How long the end of the process waits for the frame in work."""


class SegmentNode(LifecycleNode):  # type: ignore[misc]  # rclpy is not typed everywhere
    """Publishes a label image for the newest frame, at the rate the network can keep.

    Subscriptions hand messages over and nothing else, so they stay short whatever the network
    costs; one thread decodes, labels and publishes.

    Attributes:
        failed: Done when the node cannot go on; holds the reason.

    Raises:
        ConfigError: If a parameter is refused.
    """

    def __init__(self) -> None:
        super().__init__('m3l_segment')
        self.failed: Future[str] = Future()
        self._inbox: Inbox | None = None
        self._inference: Inference | None = None
        self._loading: Loading | None = None
        self._released: list[Inference] = []
        self._inputs: Inputs | None = None
        self._active_since_ns: int | None = None
        self._mode, self._reason = Mode.NO_INPUT, 'starting'
        self._problem = ''
        self._oddities: Oddities | None = None
        self._outputs = Outputs(self)
        self.parameters = Parameters(
            self,
            is_configured=lambda: self._inbox is not None,
            on_stream_change=self._on_stream_change,
            on_labeling_change=self._on_labeling_change,
        )
        if self._outputs.missing:
            self.get_logger().info(self._outputs.missing)
        self._labeling = self.parameters.labeling
        self._throttle = Throttle(self._labeling.max_rate)
        # Steady, or nothing would be told about a simulation whose clock stands still.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1.0, self._publish_diagnostics, clock=steady)
        self._load_failed = self.create_guard_condition(self._give_up)

    # Lifecycle, on the executor's thread.

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Check what can be checked at once, and begin to load the network."""
        try:
            return self._configure(state)
        except Exception as error:  # rclpy would turn it into an error without a word
            self.release()
            return self._refuse('configure', error)

    def _configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        config = self.parameters.node
        if not config.model_path.is_file():
            self._problem = (
                f'model: expected the path of an exported network, got {config.model_path}, '
                'which is no file. Set it, or leave it empty for the shipped one.'
            )
            self._log_problem()
            return _FAILURE
        self._problem = ''
        self._inbox = Inbox(
            self.parameters.stream,
            clock=self._now_ns,
            is_simulated=lambda: self.get_clock().ros_time_is_active,
            on_transition=self._on_transition,
        )
        log = self.get_logger()
        self._oddities = Oddities(log.info, log.warning)
        self._loading = Loading(config, log.info, log.warning)
        self._inference = Inference(self._loading.load, self._inbox, self)
        self._inference.start()
        log.info(f'Loading {config.model_path}.')
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe, and label what comes."""
        if self._inbox is None or self._is_engine_failed():
            self._log_problem()
            return _FAILURE
        try:
            return self._activate(state, self._inbox)
        except Exception as error:  # rclpy would turn it into an error without a word
            self._stop_listening()
            return self._refuse('activate', error)

    def _activate(self, state: LifecycleState, inbox: Inbox) -> TransitionCallbackReturn:
        self._inputs = Inputs(self, self.parameters.node, inbox)
        self._problem = ''
        self._active_since_ns = time.monotonic_ns()
        result = super().on_activate(state)
        self._publish_mode(Mode.NO_INPUT, 'starting')
        self._publish_classes()
        inbox.open()
        return result

    def _refuse(self, transition: str, error: Exception) -> TransitionCallbackReturn:
        self._problem = f'{transition}: {" ".join(str(error).split())}'
        self._log_problem()
        return _FAILURE

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop listening; the network stays loaded."""
        self._stop_listening()
        self._publish_mode(Mode.NO_INPUT, 'inactive')
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let the network go."""
        self.release()
        self._problem = ''
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let everything go."""
        self._publish_mode(Mode.NO_INPUT, 'shut down')
        self.release()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let everything go, so that the node can be configured again."""
        self.release()
        return super().on_error(state)

    def release(self) -> bool:
        """Stop labeling; False if a thread is still busy, and will end by itself."""
        self._stop_listening()
        if self._inbox is not None and self._inference is not None:
            self._inbox.close()
            self._inference.join(_JOIN_S if self._inference.state is EngineState.READY else 0)
            self._released.append(self._inference)
        self._inbox = self._inference = None
        # A network that is being loaded cannot be interrupted.
        self._released = [inference for inference in self._released if not inference.join(0)]
        return not self._released

    def _stop_listening(self) -> None:
        if self._inbox is not None:
            self._inbox.pause()
        if self._inputs is not None:
            self._inputs.destroy()
        self._inputs = self._active_since_ns = None

    def _give_up(self) -> None:
        """Leave the active state after the network could not be loaded."""
        if self._active_since_ns is not None and self._is_engine_failed():
            self.trigger_deactivate()
        self._publish_diagnostics()

    def _is_engine_failed(self) -> bool:
        return self._inference is not None and self._inference.state is EngineState.FAILED

    # Parameters, on the executor's thread.

    def _on_stream_change(self, config: StreamConfig) -> None:
        if self._inbox is not None:
            self._inbox.reconfigure(config)

    def _on_labeling_change(self, config: LabelingConfig) -> None:
        self._labeling, self._throttle = config, Throttle(config.max_rate)
        self._publish_classes()

    def _now_ns(self) -> int:
        """Return the time that arrivals and deadlines use."""
        clock = self.get_clock()
        if clock.ros_time_is_active:
            return int(clock.now().nanoseconds)
        return time.monotonic_ns()

    # What the inference thread tells (Listener), on its thread.

    def on_ready(self, segmenter: Segmenter) -> None:
        """Log what was loaded."""
        engine = segmenter.engine
        height, width = engine.card.image_size
        self.get_logger().info(
            f'READY: {engine.card.name} in {engine.backend} {engine.precision}, {width}x{height}. '
            f'Classes from 0: {", ".join(engine.card.classes.names)}.'
        )
        self._publish_classes()

    def why_skip(self, taken: Taken) -> str:
        """Return why a frame is not worth labeling now, in a word; '' if it is."""
        if not self._labeling.always_on and not self._outputs.are_heard:
            return 'unheard'
        return '' if self._throttle.admits(taken.receive_ns) else 'max_rate'

    def on_labeled(self, labeled: Labeled) -> None:
        """Publish labels under the header of the image they were made from."""
        inputs, oddities = self._inputs, self._oddities
        segmenter = self._inference.segmenter if self._inference is not None else None
        if inputs is None or oddities is None or segmenter is None:
            return  # It was deactivated meanwhile.
        oddities.tell(labeled, segmenter, depth_topic=inputs.depth.topic)
        info, why_none = inputs.calibration(
            labeled.seen.header.frame_id, is_fallback=labeled.taken.is_fallback
        )
        classes, least = segmenter.engine.card.classes, self._labeling.min_confidence
        self._outputs.publish_labels(labeled, info, classes, least, uncalibrated=why_none)

    def on_bad_frame(self, problem: str) -> None:
        """Log what was wrong with an image; diagnostics count them all."""
        self.get_logger().warning(problem, throttle_duration_sec=_THROTTLE_S)

    def on_failed(self, problem: str, *, was_ready: bool) -> None:
        """End the process if labels stop, or stay inactive if there never were any."""
        if not self.context.ok():
            return
        self._problem = problem
        self._log_problem()
        if was_ready:
            self.failed.set_result(problem)
        else:
            self._load_failed.trigger()

    # What the node tells.

    def _on_transition(self, transition: Transition) -> None:
        """Publish and log a change of mode; on either thread, under the inbox's lock."""
        log = self.get_logger()
        text = f'{transition.previous.value} -> {transition.mode.value}: {transition.reason}'
        if transition.mode is Mode.RGBD:
            log.info(text)
        else:
            log.warning(text)
        self._publish_mode(transition.mode, transition.reason)

    def _publish_mode(self, mode: Mode, reason: str) -> None:
        self._mode, self._reason = mode, reason
        self._outputs.publish_mode(mode.value)

    def _publish_classes(self) -> None:
        """Publish the classes once they are known; dropped while the node is not active."""
        if self._inference is not None and self._inference.segmenter is not None:
            classes = self._inference.segmenter.engine.card.classes
            self._outputs.publish_classes(classes, self._labeling.min_confidence)

    def _publish_diagnostics(self) -> None:
        # Its full name: in two namespaces there are two of one name, and one /diagnostics.
        report = Report(self.get_fully_qualified_name().lstrip('/'))
        if self._inference is not None and self._loading is not None:
            # While nothing comes, nothing is known of the images.
            of_images = '' if self._mode is Mode.NO_INPUT else self._inference.warning
            odd = (self._loading.warning, of_images, self._outputs.cloud_problem)
            report.add_engine(self._inference, odd, building=self._loading.step)
        if self._problem and not self._is_engine_failed():
            report.add_problem('node' if self._inference else 'engine', self._problem)
        if self._inbox is not None and self._inputs is not None:
            counted = self._inbox.statistics()
            report.add_inputs(self._inputs, counted, mode=self._mode, active_s=self._active_s())
            report.add_pairing(self._mode, self._reason, counted)
            if self.get_clock().ros_time_is_active:
                shown_ns, publishers = self._now_ns(), self.count_publishers('/clock')
                report.add_clock(shown_ns, self._active_s(), publishers=publishers)
        if report.missing:
            self.get_logger().warning('; '.join(report.missing), throttle_duration_sec=_THROTTLE_S)
        for problem in self._outputs.newly_incompatible():
            self.get_logger().warning(problem)
        self._outputs.publish_diagnostics(report.statuses)

    def _active_s(self) -> float:
        return (time.monotonic_ns() - (self._active_since_ns or 0)) / 1e9

    def _log_problem(self) -> None:
        self.get_logger().error(self._problem)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the node until it is told to end (0) or cannot go on (1); 2 if it cannot start."""
    return run_node(SegmentNode, list(sys.argv if argv is None else argv))


if __name__ == '__main__':
    sys.exit(main())
