"""One camera topic: its subscription, and in words why nothing comes in."""

from __future__ import annotations

from typing import Any, TYPE_CHECKING

from rclpy.qos import qos_policy_name_from_kind, qos_profile_sensor_data
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CompressedImage, Image

from m3l_perception.compat import SubscriptionEventCallbacks

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.node import Node

    from m3l_core.frames import Modality

_TRANSPORTS: dict[str, tuple[type[Any], str, str]] = {
    'raw': (Image, '', 'sensor_msgs/msg/Image'),
    'compressed': (CompressedImage, '/compressed', 'sensor_msgs/msg/CompressedImage'),
    'compressedDepth': (CompressedImage, '/compressedDepth', 'sensor_msgs/msg/CompressedImage'),
}
"""Message, ending of the topic (as image_transport has it), and the message's name."""


class CameraInput:
    """Subscribes to the images of one modality in one transport.

    Args:
        node: Whose subscription it is.
        modality: What the images show.
        transport: One of raw, compressed, compressedDepth.
        deliver: Called with the modality and each message.
    """

    def __init__(
        self,
        node: Node,
        modality: Modality,
        transport: str,
        deliver: Callable[[Modality, Any], None],
    ) -> None:
        self.modality = modality
        self.transport = transport
        self._node = node
        self._type, ending, self._type_name = _TRANSPORTS[transport]
        self._incompatible_policy = ''
        # Remapping rgb/image also moves rgb/image/compressed, as image_transport does it.
        base = node.resolve_topic_name(f'{modality.name.lower()}/image')
        self._subscription = node.create_subscription(
            self._type,
            base + ending,
            lambda message: deliver(modality, message),
            qos_profile_sensor_data,
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._on_incompatible),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )
        self.topic: str = self._subscription.topic_name

    def destroy(self) -> None:
        """Subscribe no more."""
        self._node.destroy_subscription(self._subscription)

    def why_silent(self) -> str:
        """Return what is known of the publishers of a topic on which nothing comes."""
        publishers = self._node.get_publishers_info_by_topic(self.topic)
        if not publishers:
            return 'no publisher'
        count = f'{len(publishers)} publisher{"s" if len(publishers) > 1 else ""}'
        wrong = {info.topic_type for info in publishers} - {self._type_name}
        if wrong:
            return (
                f'{count}, of {", ".join(sorted(wrong))} instead of {self._type_name}: '
                f'set {self.modality.name.lower()}_transport to the one that is published'
            )
        if self._incompatible_policy:
            return f'{count}, with an incompatible QoS ({self._incompatible_policy})'
        return f'{count}, but no image arrives'

    def _on_incompatible(self, event: Any) -> None:  # noqa: ANN401
        self._incompatible_policy = qos_policy_name_from_kind(event.last_policy_kind)
        self._node.get_logger().warning(
            f'{self.topic}: a publisher offers an incompatible QoS '
            f'({self._incompatible_policy}), nothing will come from it. Change it there, or set '
            f'qos_overrides.{self.topic}.subscription.* here.'
        )
