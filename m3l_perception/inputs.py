"""All that the node listens to while it is active."""

from __future__ import annotations

from functools import partial
from typing import Any, TYPE_CHECKING

from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo

from m3l_core.frames import Modality
from m3l_perception.camera_input import CameraInput

if TYPE_CHECKING:
    from rclpy.node import Node

    from m3l_perception.inbox import Inbox
    from m3l_perception.parameters import NodeConfig

_INFO_TOPICS = {'rgb': 'rgb/camera_info', 'fallback': 'depth/camera_info_fallback'}


class Inputs:
    """Hands images to the inbox, and keeps the newest calibration of each camera.

    Args:
        node: Whose subscriptions they are.
        config: In which form images come.
        inbox: Where they go.
    """

    def __init__(self, node: Node, config: NodeConfig, inbox: Inbox) -> None:
        self._node = node
        self._inbox = inbox
        self._unstamped: set[str] = set()
        self._infos: dict[str, CameraInfo] = {}
        create = partial(CameraInput, node)
        self.rgb = create(
            'rgb/image',
            transport=config.rgb_transport,
            transport_parameter='rgb_transport',
            deliver=lambda message: self._on_image(Modality.RGB, message),
        )
        self.depth = create(
            'depth/image',
            transport=config.depth_transport,
            transport_parameter='depth_transport',
            deliver=lambda message: self._on_image(Modality.DEPTH, message),
        )
        self.fallback = create(
            'depth/image_fallback',
            transport=config.depth_fallback_transport,
            transport_parameter='depth_fallback_transport',
            deliver=self._on_fallback,
        )
        self._info_subscriptions = [
            # Best effort listens to reliable publishers as well.
            node.create_subscription(
                CameraInfo, topic, partial(self._infos.__setitem__, name), qos_profile_sensor_data
            )
            for name, topic in _INFO_TOPICS.items()
        ]

    def destroy(self) -> None:
        """Subscribe no more."""
        for camera in (self.rgb, self.depth, self.fallback):
            camera.destroy()
        for subscription in self._info_subscriptions:
            self._node.destroy_subscription(subscription)

    def camera_info(self, frame_id: str, *, is_fallback: bool) -> CameraInfo | None:
        """Return the calibration of the camera that took an image, or None if it is not known."""
        info = self._infos.get('fallback' if is_fallback else 'rgb')
        # Depth alone may come from another camera, of which the color camera's says nothing.
        return info if info is not None and info.header.frame_id in ('', frame_id) else None

    def _on_image(self, modality: Modality, message: Any) -> None:  # noqa: ANN401
        camera = self.rgb if modality is Modality.RGB else self.depth
        self._inbox.add(modality, message, stamp_ns=self._stamp_ns(camera, message))

    def _on_fallback(self, message: Any) -> None:  # noqa: ANN401
        self._inbox.add_fallback(message, stamp_ns=self._stamp_ns(self.fallback, message))

    def _stamp_ns(self, camera: CameraInput, message: Any) -> int:  # noqa: ANN401
        stamp = message.header.stamp
        stamp_ns: int = stamp.sec * 1_000_000_000 + stamp.nanosec
        if stamp_ns == 0 and camera.topic not in self._unstamped:
            self._unstamped.add(camera.topic)
            self._node.get_logger().warning(
                f'{camera.topic}: images come without stamps; they pair by when they arrive.'
            )
        return stamp_ns
