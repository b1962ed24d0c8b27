"""All that the node publishes of its labels, made only for those who listen."""

from __future__ import annotations

from copy import copy
from typing import Any, TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header, String

from m3l_core.errors import FrameError
from m3l_core.frames import Modality
from m3l_core.overlay import overlay
from m3l_core.points import labeled_points
from m3l_perception import diagnostics, messages
from m3l_perception.compat import label_info_type, no_publisher_events
from m3l_perception.qos_watch import QosWatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.lifecycle import LifecycleNode

    from m3l_core.classes import ClassSet
    from m3l_perception.inference import Labeled

_KEEP_LAST = QoSProfile(depth=5)
_LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Outputs:
    """Publishes masks and everything that is made from them.

    Args:
        node: Whose publishers they are; what is published while it is not active is dropped.
    """

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        options = QoSOverridingOptions.with_default_policies()
        events = no_publisher_events()

        def create(kind: type[Any], topic: str, qos: QoSProfile) -> Any:  # noqa: ANN401
            # A copy, for rclpy writes what overrides this topic into it.
            return node.create_lifecycle_publisher(
                kind, topic, copy(qos), event_callbacks=events, qos_overriding_options=options
            )

        self._mask = create(Image, '~/mask', _KEEP_LAST)
        self._confidence = create(Image, '~/confidence', _KEEP_LAST)
        self._status = create(DiagnosticArray, '~/status', _KEEP_LAST)
        self._camera_info = create(CameraInfo, '~/camera_info', _KEEP_LAST)
        self._overlay = create(Image, '~/overlay', _KEEP_LAST)
        self._points = create(PointCloud2, '~/points', _KEEP_LAST)
        self._mode = create(String, '~/mode', _LATCHED)
        self._label_info_type = label_info_type()
        self._label_info = (
            create(self._label_info_type, '~/label_info', _LATCHED)
            if self._label_info_type
            else None
        )
        self._diagnostics = node.create_publisher(
            DiagnosticArray, '/diagnostics', _KEEP_LAST, event_callbacks=events
        )
        self._made_from_labels = (
            self._mask, self._confidence, self._status, self._camera_info, self._overlay,
            self._points,
        )  # fmt: skip
        publishers = [*self._made_from_labels, self._mode, self._label_info, self._diagnostics]
        self._qos = QosWatch(node, [publisher for publisher in publishers if publisher])
        self.cloud_problem = ''
        """Why somebody waits for points in vain."""

    @property
    def are_heard(self) -> bool:
        """Whether anybody listens to anything that only labels can give."""
        return any(publisher.get_subscription_count() for publisher in self._made_from_labels)

    @property
    def missing(self) -> str:
        """What cannot be published here, and why; '' if nothing."""
        if self._label_info is None:
            return '~/label_info is not published: vision_msgs is not installed.'
        return ''

    def newly_incompatible(self) -> list[str]:
        """Return what is to be told of subscriptions that get nothing, each once."""
        return self._qos.look()

    def publish_mode(self, mode: str) -> None:
        """Publish the mode, for those too who listen later."""
        self._publish(self._mode, messages.text(mode))

    def publish_diagnostics(self, statuses: list[Any]) -> None:
        """Publish what the node tells of itself."""
        header = Header(stamp=self._node.get_clock().now().to_msg())
        self._publish(self._diagnostics, messages.diagnostics(header, statuses))

    def publish_classes(self, classes: ClassSet, min_confidence: float) -> None:
        """Publish what the ids in the masks mean, for those too who listen later."""
        if self._label_info is not None:
            header = Header(stamp=self._node.get_clock().now().to_msg())
            kind = self._label_info_type
            message = messages.label_info(kind, header, classes.names, min_confidence)
            self._publish(self._label_info, message)

    def publish_labels(
        self,
        labeled: Labeled,
        info: CameraInfo | None,
        classes: ClassSet,
        min_confidence: float,
        *,
        uncalibrated: str,
    ) -> None:
        """Publish a labeled frame under the header of the image it was made from.

        Args:
            labeled: The frame and its labels.
            info: Calibration of the camera whose place and size the labels have.
            classes: What the labels mean.
            min_confidence: Probability below which a pixel is unlabeled (255).
            uncalibrated: Why there is no `info`.
        """
        header, confidence = labeled.seen.header, labeled.segmentation.confidence
        labels = labeled.segmentation.sure_labels(min_confidence)
        status = diagnostics.frame_status(self._node.get_name(), labeled)
        self._offer(self._mask, lambda: messages.mono8_image(labels, header))
        self._offer(self._confidence, lambda: messages.mono8_image(confidence, header))
        self._offer(self._status, lambda: messages.diagnostics(header, [status]))
        if info is not None:
            # Depth alone may have another size than the color image that `info` is of.
            is_rgb = labeled.seen.anchor is Modality.RGB
            size = (info.height, info.width) if is_rgb else labels.shape
            info = messages.camera_info(info, header, (size[0], size[1]))
        self._offer(self._camera_info, lambda: info)
        frame = labeled.seen.frame
        self._offer(
            self._overlay,
            lambda: frame and messages.rgb8_image(overlay(frame, labels, classes), header),
        )
        if not self._points.get_subscription_count():
            self.cloud_problem = ''
        self._offer(
            self._points, lambda: self._cloud(labeled, labels, info, classes, uncalibrated)
        )

    def _cloud(
        self,
        labeled: Labeled,
        labels: Any,  # noqa: ANN401
        info: CameraInfo | None,
        classes: ClassSet,
        uncalibrated: str,
    ) -> PointCloud2 | None:
        """Return the points of a frame, or None if it has none; says why in `cloud_problem`."""
        frame, header = labeled.seen.frame, labeled.seen.header
        self.cloud_problem = f'~/points: {uncalibrated}' if info is None else ''
        if info is None or frame is None or frame.depth_m is None:
            return None
        try:
            camera = messages.pinhole(info, (labels.shape[0], labels.shape[1]))
            points = labeled_points(frame.depth_m, labels, camera, classes)
        except FrameError as error:
            self.cloud_problem = f'~/points: {error}'
            return None
        return messages.point_cloud(points, header)

    def _offer(self, publisher: Any, make: Callable[[], Any]) -> None:  # noqa: ANN401
        """Make and publish a message if somebody listens; None is none."""
        if publisher.get_subscription_count():
            message = make()
            if message is not None:
                self._publish(publisher, message)

    def _publish(self, publisher: Any, message: Any) -> None:  # noqa: ANN401
        try:
            publisher.publish(message)
        except Exception:  # rclpy has no narrower class for a context that was shut down
            if self._node.context.ok():
                raise
