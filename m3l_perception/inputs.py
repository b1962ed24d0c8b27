"""All that the node listens to while it is active."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import Any, TYPE_CHECKING

from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo

from m3l_core.frames import Modality
from m3l_core.stream.image_header import shown
from m3l_perception.camera_input import CameraInput
from m3l_perception.compat import subscription_events

if TYPE_CHECKING:
    from collections.abc import Callable

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
        with ExitStack() as opened:  # should one be refused, the others are closed again
            self.rgb = self._open(
                opened,
                'rgb/image',
                config.rgb_transport,
                'rgb_transport',
                partial(self._on_image, Modality.RGB),
            )
            self.depth = self._open(
                opened,
                'depth/image',
                config.depth_transport,
                'depth_transport',
                partial(self._on_image, Modality.DEPTH),
            )
            self.fallback = self._open(
                opened,
                'depth/image_fallback',
                config.depth_fallback_transport,
                'depth_fallback_transport',
                self._on_fallback,
            )
            for name, topic in _INFO_TOPICS.items():
                keep = partial(self._infos.__setitem__, name)
                # Best effort listens to reliable publishers as well.
                subscription = node.create_subscription(
                    CameraInfo,
                    topic,
                    keep,
                    qos_profile_sensor_data,
                    event_callbacks=subscription_events(),
                )
                opened.callback(node.destroy_subscription, subscription)
            self._opened = opened.pop_all()

    def destroy(self) -> None:
        """Subscribe no more."""
        self._opened.close()

    def _open(
        self,
        opened: ExitStack,
        name: str,
        transport: str,
        transport_parameter: str,
        deliver: Callable[[Any], None],
    ) -> CameraInput:
        camera = CameraInput(
            self._node,
            name,
            transport=transport,
            transport_parameter=transport_parameter,
            deliver=deliver,
        )
        opened.callback(camera.destroy)
        return camera

    def calibration(self, frame_id: str, *, is_fallback: bool) -> tuple[CameraInfo | None, str]:
        """Return the calibration of the camera that took an image; or None, and what to do.

        Args:
            frame_id: Of the image.
            is_fallback: Whether it is depth that is not registered to color.
        """
        name = 'fallback' if is_fallback else 'rgb'
        info, topic = self._infos.get(name), _INFO_TOPICS[name]
        if info is None:
            full_name = self._node.resolve_topic_name(topic)
            return None, f'no CameraInfo has come on {full_name}. Remap {topic}.'
        # Depth alone may come from another camera, of which the color camera's says nothing.
        if info.header.frame_id == frame_id or not (info.header.frame_id and frame_id):
            return info, ''
        return None, (
            f'expected the CameraInfo of {shown(frame_id)}, got that of '
            f'{shown(info.header.frame_id)} on {self._node.resolve_topic_name(topic)}. '
            f'Remap {topic}, or choose the topic of depth that is registered to color.'
        )

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
