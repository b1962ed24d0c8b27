"""Listens to cameras and node over DDS, and keeps what the demo reports."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import partial
from threading import Lock, Thread
import time
from typing import Any, TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String

from m3l_core.errors import FrameError
from m3l_core.frames import Modality, RgbdFrame
from m3l_core.metrics import ConfusionMatrix
from m3l_core.stream.decoding import decode
from m3l_perception.compat import with_message_info
from m3l_perception.demo.score import ImageRecord, MaskRecord, ModeRecord

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from m3l_core.bags.topics import RgbdTopics

_QOS = QoSProfile(depth=50)
_LATCHED = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
_KEPT = 90
_TRUTH_NS = 20_000_000
"""Labels of the bag are the truth of a mask whose stamp differs by at most this."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One moment for the picture."""

    frame: RgbdFrame
    labels: NDArray[np.uint8]
    mode: str


@dataclass
class Recording:
    """Everything that came, in order of arrival; times are seconds of the steady clock."""

    masks: list[MaskRecord] = field(default_factory=list)
    modes: list[ModeRecord] = field(default_factory=list)
    images: dict[Modality, list[ImageRecord]] = field(
        default_factory=lambda: {m: [] for m in Modality}
    )
    waits_s: list[tuple[float, float]] = field(default_factory=list)
    """When the node told for how long RGB waits for its depth, and how long."""
    agreement: dict[str, ConfusionMatrix] = field(default_factory=dict)
    """Confusion with the labels in the bag, by the modalities that were used."""


class Recorder:
    """A node that subscribes to everything and spins on a thread of its own.

    Args:
        topics: Where the cameras publish.
        num_classes: How many classes the network tells apart.
    """

    def __init__(self, topics: RgbdTopics, num_classes: int) -> None:
        # Its own, so that whoever listens may have another part in the ROS graph.
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context)
        self.recording = Recording()
        self._num_classes = num_classes
        self._lock = Lock()
        self._images: dict[Modality, deque[Any]] = {m: deque(maxlen=_KEPT) for m in Modality}
        self._arrivals: dict[tuple[int, str], float] = {}
        self._masks: dict[int, tuple[Image, float]] = {}
        self._truths: deque[tuple[int, NDArray[np.uint8]]] = deque(maxlen=_KEPT)
        self._last: tuple[Image, str] | None = None
        self._node = Node('m3l_demo', context=self._context)
        self._subscribe(topics)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._thread = Thread(target=self._spin, name='m3l-demo-recorder')
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        rclpy.try_shutdown(context=self._context)
        self._thread.join()
        self._executor.shutdown()
        self._node.destroy_node()

    @property
    def mode(self) -> str:
        """The mode that was published last."""
        with self._lock:
            return self.recording.modes[-1].mode if self.recording.modes else 'starting'

    def snapshot(self) -> Snapshot | None:
        """Return the last mask with the images it was made from; None if they are gone."""
        with self._lock:
            if self._last is None:
                return None
            mask, used = self._last
            images = {
                modality: self._image_near(modality, _stamp_ns(mask))
                if modality.name.lower() in used.split('+')
                else None
                for modality in Modality
            }
            mode = self.recording.modes[-1].mode if self.recording.modes else ''
        try:
            decoded = decode(images[Modality.RGB], images[Modality.DEPTH])
        except FrameError:
            return None
        return Snapshot(decoded.frame, _pixels(mask), mode)

    def _subscribe(self, topics: RgbdTopics) -> None:
        for modality, topic in ((Modality.RGB, topics.rgb), (Modality.DEPTH, topics.depth)):
            kind = (
                CompressedImage
                if (topic or '').rpartition('/')[2].startswith('compressed')
                else Image
            )
            on_image = with_message_info(partial(self._on_image, modality))
            self._node.create_subscription(kind, topic, on_image, _QOS)
        if topics.labels is not None:
            self._node.create_subscription(Image, topics.labels, self._on_truth, _QOS)
        create = self._node.create_subscription
        create(Image, '/m3l_segment/mask', self._on_mask, _QOS)
        create(DiagnosticArray, '/m3l_segment/status', self._on_status, _QOS)
        create(String, '/m3l_segment/mode', self._on_mode, _LATCHED)
        create(DiagnosticArray, '/diagnostics', self._on_diagnostics, _QOS)

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            return

    def _on_image(self, modality: Modality, message: Any, info: Any) -> None:  # noqa: ANN401
        now = time.monotonic()
        sent_ns = info.get('source_timestamp') or time.time_ns()
        published_s = now - (time.time_ns() - sent_ns) / 1e9
        with self._lock:
            stamp_ns = _stamp_ns(message)
            self.recording.images[modality].append(ImageRecord(stamp_ns, published_s, now))
            self._images[modality].append(message)
            self._arrivals[stamp_ns, message.header.frame_id] = now

    def _on_truth(self, message: Image) -> None:
        with self._lock:
            self._truths.append((_stamp_ns(message), _pixels(message)))

    def _on_mask(self, message: Image) -> None:
        with self._lock:
            self._masks[_stamp_ns(message)] = (message, time.monotonic())

    def _on_mode(self, message: String) -> None:
        with self._lock:
            self.recording.modes.append(ModeRecord(message.data, time.monotonic()))

    def _on_status(self, message: DiagnosticArray) -> None:
        """Complete the record of a mask, which is published just before its status."""
        stamp_ns = _stamp_ns(message)
        values = _values(message.status[0])
        with self._lock:
            arrived = self._masks.pop(stamp_ns, None)
            if arrived is None:
                return
            mask, arrival_s = arrived
            image_s = self._arrivals.get((stamp_ns, mask.header.frame_id))
            self.recording.masks.append(
                MaskRecord(
                    stamp_ns=stamp_ns,
                    arrival_s=arrival_s,
                    size=(mask.height, mask.width),
                    used=values['used'],
                    mode=values['mode'],
                    engine_ms=float(values['engine_ms']),
                    latency_s=None if image_s is None else arrival_s - image_s,
                )
            )
            self._last = mask, values['used']
            self._compare(mask, values['used'])

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name.endswith('pairing'):
                wait_ms = _values(status).get('pair_wait_ms', '-')
                if wait_ms != '-':
                    self.recording.waits_s.append((time.monotonic(), float(wait_ms) / 1e3))

    def _compare(self, mask: Image, used: str) -> None:
        """Count a mask against the labels of the bag, if it has some for that moment."""
        stamp_ns, labels = _stamp_ns(mask), _pixels(mask)
        near = [
            truth
            for ns, truth in self._truths
            if abs(ns - stamp_ns) <= _TRUTH_NS and truth.shape == labels.shape
        ]
        if near:
            matrix = self.recording.agreement.setdefault(used, ConfusionMatrix(self._num_classes))
            matrix.update(labels, near[-1])

    def _image_near(self, modality: Modality, stamp_ns: int) -> Any | None:  # noqa: ANN401
        images = self._images[modality]
        return min(images, key=lambda m: abs(_stamp_ns(m) - stamp_ns), default=None)


def _stamp_ns(message: Any) -> int:  # noqa: ANN401
    return int(message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec)


def _pixels(message: Image) -> NDArray[np.uint8]:
    return np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)


def _values(status: Any) -> dict[str, str]:  # noqa: ANN401
    return {value.key: value.value for value in status.values}
