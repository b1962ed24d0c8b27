"""The node: images in, label images out, for as long as one camera stream lives."""

from __future__ import annotations

from copy import copy
from functools import partial
import sys
import time
from typing import Any, TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.task import Future
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header, String

from m3l_core.frames import Modality
from m3l_core.runtime import open_engine, Segmenter
from m3l_core.stream import Mode
from m3l_perception import diagnostics, messages
from m3l_perception.camera_input import CameraInput
from m3l_perception.inbox import Inbox
from m3l_perception.inference import EngineState, Inference
from m3l_perception.parameters import Parameters
from m3l_perception.process import run_node

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rclpy.lifecycle import LifecycleState

    from m3l_core.stream import InputStatistics, StreamConfig, Transition
    from m3l_perception.inference import Labeled
    from m3l_perception.parameters import NodeConfig

_SUCCESS, _FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE

_KEEP_LAST = QoSProfile(depth=5)
_LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)

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
        self._inputs: dict[Modality, CameraInput] = {}
        self._camera_info: CameraInfo | None = None
        self._camera_info_subscription: Any = None
        self._active_since_ns: int | None = None
        self._mode, self._reason = Mode.NO_INPUT, 'starting'
        self._problem = ''
        self._known_sizes: set[tuple[int, int]] = set()
        self._unstamped: set[Modality] = set()
        self.parameters = Parameters(
            self,
            is_configured=lambda: self._inbox is not None,
            on_stream_change=self._on_stream_change,
        )
        self._create_publishers()
        # Steady, or nothing would be told about a simulation whose clock stands still.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1.0, self._publish_diagnostics, clock=steady)
        self._load_failed = self.create_guard_condition(self._give_up)

    def _create_publishers(self) -> None:
        options = QoSOverridingOptions.with_default_policies()
        create = partial(self.create_lifecycle_publisher, qos_overriding_options=options)
        self._mask = create(Image, '~/mask', _KEEP_LAST)
        self._confidence = create(Image, '~/confidence', _KEEP_LAST)
        self._mask_info = create(CameraInfo, '~/camera_info', _KEEP_LAST)
        self._status = create(DiagnosticArray, '~/status', _KEEP_LAST)
        self._mode_publisher = create(String, '~/mode', _LATCHED)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', _KEEP_LAST)

    # Lifecycle, on the executor's thread.

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Check what can be checked at once, and begin to load the network."""
        try:
            return self._configure(state)
        except Exception as error:  # rclpy would turn it into an error without a word
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
        self._inference = Inference(partial(_load, config), self._inbox, self)
        self._inference.start()
        self.get_logger().info(f'Loading {config.model_path}.')
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
        config = self.parameters.node
        transports = {Modality.RGB: config.rgb_transport, Modality.DEPTH: config.depth_transport}
        self._inputs = {
            modality: CameraInput(self, modality, transport, self._on_image)
            for modality, transport in transports.items()
        }
        self._camera_info_subscription = self.create_subscription(
            CameraInfo, 'rgb/camera_info', self._on_camera_info, _KEEP_LAST
        )
        self._active_since_ns = time.monotonic_ns()
        result = super().on_activate(state)
        self._publish_mode(Mode.NO_INPUT, 'starting')
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
        self.release()
        return super().on_shutdown(state)

    def release(self) -> bool:
        """Stop labeling; False if the thread is still busy, and will end by itself."""
        self._stop_listening()
        if self._inbox is None or self._inference is None:
            return True
        self._inbox.close()
        is_done = self._inference.join(_JOIN_S)
        self._inbox = self._inference = None
        return is_done

    def _stop_listening(self) -> None:
        if self._inbox is not None:
            self._inbox.pause()
        for camera in self._inputs.values():
            camera.destroy()
        if self._camera_info_subscription is not None:
            self.destroy_subscription(self._camera_info_subscription)
        self._inputs, self._camera_info_subscription = {}, None
        self._camera_info = self._active_since_ns = None

    def _give_up(self) -> None:
        """Leave the active state after the network could not be loaded."""
        if self._active_since_ns is not None and self._is_engine_failed():
            self.trigger_deactivate()
        self._publish_diagnostics()

    def _is_engine_failed(self) -> bool:
        return self._inference is not None and self._inference.state is EngineState.FAILED

    # Images, on the executor's thread.

    def _on_image(self, modality: Modality, message: Any) -> None:  # noqa: ANN401
        stamp = message.header.stamp
        if self._inbox is not None:
            stamp_ns = stamp.sec * 1_000_000_000 + stamp.nanosec
            if stamp_ns == 0 and modality not in self._unstamped:
                self._unstamped.add(modality)
                self.get_logger().warning(
                    f'{self._inputs[modality].topic}: images come without stamps; they pair by '
                    'when they arrive.'
                )
            self._inbox.add(modality, message, stamp_ns=stamp_ns)

    def _on_camera_info(self, message: CameraInfo) -> None:
        self._camera_info = message

    def _on_stream_change(self, config: StreamConfig) -> None:
        if self._inbox is not None:
            self._inbox.reconfigure(config)

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
            f'READY: {engine.card.name} in {engine.backend} {engine.precision}, {width}x{height}.'
        )

    def on_labeled(self, labeled: Labeled) -> None:
        """Publish labels under the header of the image they were made from."""
        self._log_padding(labeled)
        header = labeled.decoded.header
        segmentation = labeled.segmentation
        status = diagnostics.frame_status(self.get_name(), labeled)
        self._publish(self._mask, messages.mono8_image(segmentation.labels, header))
        self._publish(self._confidence, messages.mono8_image(segmentation.confidence, header))
        self._publish(self._status, messages.diagnostics(header, [status]))
        info = self._camera_info
        # Depth alone may come from another camera, of which this says nothing.
        if info is not None and info.header.frame_id in ('', header.frame_id):
            info = copy(info)
            info.header = header
            self._publish(self._mask_info, info)

    def _publish(self, publisher: Any, message: Any) -> None:  # noqa: ANN401
        try:
            publisher.publish(message)
        except Exception:  # rclpy has no narrower class for a context that was shut down
            if self.context.ok():
                raise

    def _log_padding(self, labeled: Labeled) -> None:
        """Log, once for each camera size, what of the network's work is for padding."""
        size = labeled.decoded.frame.size
        inference = self._inference
        if size in self._known_sizes or inference is None or inference.segmenter is None:
            return
        self._known_sizes.add(size)
        share = inference.segmenter.letterbox(size).padded_share
        if share > 0:
            self.get_logger().info(
                f'{size[1]}x{size[0]} images leave {share:.0%} of the network to padding; '
                'm3l export --size HEIGHTxWIDTH makes one of their shape.'
            )

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
        self._publish(self._mode_publisher, messages.text(mode.value))

    def _publish_diagnostics(self) -> None:
        # Its full name: in two namespaces there are two of one name, and one /diagnostics.
        report = diagnostics.Report(self.get_fully_qualified_name().lstrip('/'))
        if self._inference is not None:
            report.add_engine(self._inference)
        elif self._problem:
            report.add_problem('engine', self._problem)
        if self._inbox is not None and self._active_since_ns is not None:
            counted = self._inbox.statistics()
            mode = self._mode
            for modality, of_input in (
                (Modality.RGB, counted.rgb),
                (Modality.DEPTH, counted.depth),
            ):
                silent_s = self._silent_s(of_input)
                report.add_input(self._inputs[modality], of_input, mode=mode, silent_s=silent_s)
            report.add_pairing(mode, self._reason, counted)
            if self.get_clock().ros_time_is_active:
                report.add_clock(self.get_clock().now().nanoseconds, self._active_s())
        if report.missing:
            self.get_logger().warning('; '.join(report.missing), throttle_duration_sec=_THROTTLE_S)
        header = Header(stamp=self.get_clock().now().to_msg())
        self._publish(self._diagnostics, messages.diagnostics(header, report.statuses))

    def _silent_s(self, counted: InputStatistics) -> float:
        """Return for how long nothing has come on an input."""
        return self._active_s() if counted.age_ns is None else counted.age_ns / 1e9

    def _active_s(self) -> float:
        return (time.monotonic_ns() - (self._active_since_ns or 0)) / 1e9

    def _log_problem(self) -> None:
        self.get_logger().error(self._problem)


def _load(config: NodeConfig) -> Segmenter:
    """Open the network; raises M3lError."""
    engine = open_engine(
        config.model_path, config.backend, precision=config.precision, threads=config.threads
    )
    return Segmenter(engine)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the node until it is told to end (0) or cannot go on (1); 2 if it cannot start."""
    return run_node(SegmentNode, list(sys.argv if argv is None else argv))


if __name__ == '__main__':
    sys.exit(main())
