"""One camera topic: its subscription, and in words why nothing comes in."""

from __future__ import annotations

from copy import copy
from typing import Any, TYPE_CHECKING

from rclpy.qos import qos_policy_name_from_kind, qos_profile_sensor_data
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CompressedImage, Image

from m3l_core.errors import FrameError
from m3l_perception.cdr_image import read_compressed_image, read_image
from m3l_perception.compat import subscription_events

if TYPE_CHECKING:
    from collections.abc import Callable

    from rclpy.node import Node
    from rclpy.qos import QoSProfile

_COMPRESSED = 'sensor_msgs/msg/CompressedImage'

_TRANSPORTS: dict[str, tuple[type[Any], Callable[[bytes], Any], str, str]] = {
    'raw': (Image, read_image, '', 'sensor_msgs/msg/Image'),
    'compressed': (CompressedImage, read_compressed_image, '/compressed', _COMPRESSED),
    'compressedDepth': (CompressedImage, read_compressed_image, '/compressedDepth', _COMPRESSED),
}
"""Message, what reads it, ending of the topic (as image_transport has it), and the message's name.
"""

_THROTTLE_S = 5.0


class CameraInput:
    """Subscribes to the images of one input in one transport.

    Args:
        node: Whose subscription it is.
        name: The topic before it is remapped, such as `rgb/image`.
        transport: One of raw, compressed, compressedDepth.
        transport_parameter: The parameter that sets it.
        deliver: Called with each image: an object with the attributes of its message.

    Attributes:
        malformed: How many messages were dropped because their bytes are none.
    """

    def __init__(
        self,
        node: Node,
        name: str,
        *,
        transport: str,
        transport_parameter: str,
        deliver: Callable[[Any], None],
    ) -> None:
        self.transport = transport
        self.malformed = 0
        self._transport_parameter = transport_parameter
        self._node = node
        self._deliver = deliver
        kind, self._read, ending, self._type_name = _TRANSPORTS[transport]
        self._incompatible_policy = ''
        # Remapping rgb/image also moves rgb/image/compressed, as image_transport does it.
        self._subscription = node.create_subscription(
            kind,
            node.resolve_topic_name(name) + ending,
            self._on_data,
            copy(qos_profile_sensor_data),  # rclpy writes what overrides this topic into it
            raw=True,
            event_callbacks=subscription_events(incompatible_qos=self._on_incompatible),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )
        self.topic: str = self._subscription.topic_name

    def destroy(self) -> None:
        """Subscribe no more."""
        self._node.destroy_subscription(self._subscription)

    @property
    def has_publisher(self) -> bool:
        """Whether anybody publishes on the topic."""
        return bool(self._node.count_publishers(self.topic))

    @property
    def qos(self) -> str:
        """What is asked of the publishers, and what each of them offers."""
        publishers = self._node.get_publishers_info_by_topic(self.topic)
        offered = sorted({_words(info.qos_profile) for info in publishers})
        asked = _words(self._subscription.qos_profile)
        return f'{asked}; offered: {", ".join(offered) or "-"}'

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
                f'set {self._transport_parameter} to the one that is published'
            )
        if self._incompatible_policy:
            return f'{count}, with an incompatible QoS ({self._incompatible_policy})'
        none = f' ({self.malformed} messages were none)' if self.malformed else ''
        return f'{count}, but no image arrives{none}'

    def _on_data(self, data: bytes) -> None:
        """Read a message and deliver it; bytes that are none are counted and told."""
        try:
            image = self._read(data)
        except FrameError as error:
            self.malformed += 1
            self._node.get_logger().warning(
                f'{self.topic}: {error}', throttle_duration_sec=_THROTTLE_S
            )
            return
        self._deliver(image)

    def _on_incompatible(self, event: Any) -> None:  # noqa: ANN401
        """Tell, once for each policy, which setting keeps publisher and node apart."""
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        if policy == self._incompatible_policy:
            return
        self._incompatible_policy = policy
        self._node.get_logger().warning(
            f'{self.topic}: a publisher offers an incompatible QoS ({policy}), nothing will come '
            f'from it. Change it there, or set qos_overrides.{self.topic}.subscription.* here.'
        )


def _words(profile: QoSProfile) -> str:
    """Return the policies that decide whether images come, in words."""
    return f'{profile.reliability.name.lower()} {profile.durability.name.lower()}'
