"""Listens to the ROS graph for a while, as the node would."""

from __future__ import annotations

from dataclasses import replace
from importlib import metadata
import time
from typing import Any, TYPE_CHECKING

import rclpy
from rclpy.qos import qos_profile_sensor_data
from rclpy.signals import SignalHandlerOptions
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from m3l_core.bags.topics import base_and_transport, guess_among, RgbdTopics
from m3l_perception.dds import use_profile
from m3l_perception.doctor import graph_queries
from m3l_perception.doctor.asking import Diagnostics, Patient
from m3l_perception.doctor.content import described
from m3l_perception.doctor.facts import Endpoint, Graph, Heard, Topic

if TYPE_CHECKING:
    from rclpy.node import Node

_SEGMENT = 'm3l_segment'

_DISCOVERY_S = 3.5
"""Fast DDS announces a process every 3 s, and not every announcement is answered."""

_SETTLED_S = 1.5
"""Time after which a graph that shows cameras is believed to be whole; the node tells its
diagnostics, which name its topics, once a second."""


def listen(*, seconds: float, rgb: str | None, depth: str | None, node_name: str | None) -> Graph:
    """Return what goes on in the ROS graph.

    Args:
        seconds: How long to listen to images.
        rgb: Color topic; None takes that of the node, or one that looks like it.
        depth: Depth topic, likewise.
        node_name: Full name of the node; None takes the first one called m3l_segment.
    """
    use_profile()
    # Python's own Ctrl-C ends the wait at once.
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = rclpy.create_node('m3l_doctor', start_parameter_services=False)
        try:
            return _Visit(node, node_name).graph(seconds, RgbdTopics(rgb=rgb, depth=depth))
        finally:
            node.destroy_node()
    finally:
        rclpy.try_shutdown()


class _Ear:
    """Keeps stamps and arrivals of one topic, and the last message."""

    def __init__(self, node: Node, kind: Any, topic: str) -> None:  # noqa: ANN401
        self._stamps_ns: list[int] = []
        self._arrivals_ns: list[int] = []
        self._last: Any = None
        node.create_subscription(kind, topic, self._keep, qos_profile_sensor_data)

    def heard(self, *, is_depth: bool) -> Heard:
        """Return what came; looks into the last image."""
        times = Heard(stamps_ns=tuple(self._stamps_ns), arrivals_ns=tuple(self._arrivals_ns))
        if self._last is None:
            return times
        return replace(
            times,
            frame_id=self._last.header.frame_id,
            encoding=getattr(self._last, 'encoding', '') or getattr(self._last, 'format', ''),
            **described(self._last, is_depth=is_depth),
        )

    @property
    def rate_hz(self) -> float:
        """How often messages came."""
        return Heard(arrivals_ns=tuple(self._arrivals_ns)).rate_hz

    def _keep(self, message: Any) -> None:  # noqa: ANN401
        self._arrivals_ns.append(time.time_ns())
        stamp = message.header.stamp
        self._stamps_ns.append(stamp.sec * 1_000_000_000 + stamp.nanosec)
        self._last = message


class _Visit:
    """One look at the graph."""

    def __init__(self, node: Node, segment: str | None) -> None:
        self._node = node
        self._asked_for = segment
        self._diagnostics = Diagnostics(node)
        self._clock_ticks = 0
        node.create_subscription(Clock, '/clock', self._on_clock, qos_profile_sensor_data)

    def graph(self, seconds: float, given: RgbdTopics) -> Graph:
        """Return what goes on; takes `seconds` and the time to find everybody."""
        self._discover(given)
        name = self._segment_name()
        patient = None if name is None else Patient(self._node, name)
        images = graph_queries.published_images(self._node, _SEGMENT)
        chosen = self._chosen(given, name, images)
        ears = {
            topic: (self._ear(topic, images), self._info_ear(topic))
            for topic in (chosen.rgb, chosen.depth)
            if topic is not None
        }
        self._spin(seconds)
        return Graph(
            version=_rclpy_version(),
            rmw=rclpy.get_rmw_implementation_identifier(),
            seconds=seconds,
            nodes=tuple(graph_queries.other_nodes(self._node)),
            image_topics=images,
            rgb=self._topic(chosen.rgb, name, ears, is_depth=False),
            depth=self._topic(chosen.depth, name, ears, is_depth=True),
            segment_name=self._asked_for or _SEGMENT,
            segment=None if patient is None else patient.report(self._diagnostics),
            clock_publishers=self._node.count_publishers('/clock'),
            clock_ticks=self._clock_ticks,
        )

    def _discover(self, given: RgbdTopics) -> None:
        """Wait until the graph is known, but not for ever."""
        start = time.monotonic()
        while (waited := time.monotonic() - start) < _DISCOVERY_S:
            self._spin(0.1)
            guessed = guess_among(graph_queries.published_images(self._node, _SEGMENT))
            has_cameras = (given.rgb or guessed.rgb) and (given.depth or guessed.depth)
            if waited > _SETTLED_S and has_cameras and self._segment_name():
                return

    def _segment_name(self) -> str | None:
        names = graph_queries.other_nodes(self._node)
        if self._asked_for is not None:
            return self._asked_for if self._asked_for in names else None
        return next((name for name in names if name.rpartition('/')[2] == _SEGMENT), None)

    def _chosen(self, given: RgbdTopics, name: str | None, images: dict[str, str]) -> RgbdTopics:
        """Return the topics to look at: given ones, else the node's, else likely ones."""
        likely = guess_among(images)
        own, told = RgbdTopics(), {}
        if name is not None:
            subscribed = graph_queries.subscribed_images(self._node, name)
            own = guess_among(subscribed)
            told = {
                status.name.rpartition(': ')[2]: topic
                for status in self._diagnostics.of(name)
                if (topic := status.values.get('topic')) in subscribed
            }
        return RgbdTopics(
            rgb=given.rgb or told.get('rgb') or own.rgb or likely.rgb,
            depth=given.depth or told.get('depth') or own.depth or likely.depth,
        )

    def _ear(self, topic: str, images: dict[str, str]) -> _Ear:
        compressed = base_and_transport(topic)[1] != 'raw'
        kind = images.get(topic, 'CompressedImage' if compressed else 'Image')
        message = CompressedImage if kind.endswith('CompressedImage') else Image
        return _Ear(self._node, message, topic)

    def _info_ear(self, topic: str) -> _Ear | None:
        """Listen to the camera_info beside a topic, if there is one."""
        beside = f'{base_and_transport(topic)[0].rpartition("/")[0]}/camera_info'
        if not self._node.count_publishers(beside):
            return None
        return _Ear(self._node, CameraInfo, beside)

    def _topic(
        self,
        topic: str | None,
        segment: str | None,
        ears: dict[str, tuple[_Ear, _Ear | None]],
        *,
        is_depth: bool,
    ) -> Topic | None:
        if topic is None:
            return None
        wanted = segment and graph_queries.subscription_of(self._node, topic, segment)
        images, infos = ears[topic]
        return Topic(
            name=topic,
            publishers=graph_queries.publishers(self._node, topic),
            wanted=wanted or Endpoint(node=segment or _SEGMENT),
            heard=images.heard(is_depth=is_depth),
            info_rate_hz=None if infos is None else infos.rate_hz,
        )

    def _on_clock(self, _: Clock) -> None:
        self._clock_ticks += 1

    def _spin(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            rclpy.spin_once(self._node, timeout_sec=left)


def _rclpy_version() -> str:
    try:
        return metadata.version('rclpy')
    except metadata.PackageNotFoundError:  # a build without its metadata
        return '(unknown version)'
