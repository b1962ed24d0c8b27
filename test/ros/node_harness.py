"""What the node tests share: a camera, a recorder of what the node says, and the node."""

from __future__ import annotations

from array import array
from contextlib import contextmanager, suppress
from dataclasses import dataclass
import os
import signal
import subprocess
import sys
from threading import Event, Thread
import time
from typing import Any, TYPE_CHECKING

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
import numpy as np
from rcl_interfaces.srv import SetParameters
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import String

from m3l_core.frames import Modality

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PERIOD_S = 0.05
RGB_SIZE, DEPTH_SIZE = (120, 160), (60, 80)
FALLBACK_SIZE = (45, 60)
FRAME_ID, FALLBACK_FRAME_ID = 'color_optical_frame', 'depth_optical_frame'
PATIENCE_S = 300.0
"""How long a test waits for what comes within seconds on an idle machine; others are busy."""

_ANSWER_S = 5.0


class Node:
    """A node of the test process, spun on a thread of its own."""

    def __init__(self, name: str) -> None:
        self.node = rclpy.create_node(name)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._thread = Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        with suppress(ExternalShutdownException):
            self._executor.spin()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()
        self._thread.join()
        self.node.destroy_node()


class Camera(Node):
    """Publishes color and depth at 20 Hz; each can be stopped, or replaced by a bad message.

    Both move from image to image. Another depth, not registered to color, comes when asked for.
    Images for which the machine had no time are never made, as a camera's.
    """

    def __init__(self) -> None:
        super().__init__('camera')
        self.stamps: dict[Modality, set[tuple[int, int]]] = {m: set() for m in Modality}
        self.alive = set(Modality)
        self.has_fallback = False
        self.has_calibration = True
        self.bad: dict[Modality, Callable[[Image], None]] = {}
        self._publishers = {
            modality: self.node.create_publisher(Image, f'{modality.name.lower()}/image', 5)
            for modality in Modality
        }
        self._fallback = self.node.create_publisher(Image, 'depth/image_fallback', 5)
        self._info = self.node.create_publisher(CameraInfo, 'rgb/camera_info', 5)
        fallback_info = 'depth/camera_info_fallback'
        self._fallback_info = self.node.create_publisher(CameraInfo, fallback_info, 5)
        random = np.random.default_rng(0)
        self._rgb = random.integers(0, 255, (*RGB_SIZE, 3), np.uint8)
        self._depth = random.integers(500, 4000, DEPTH_SIZE, np.uint16)
        self._fallback_depth = np.full(FALLBACK_SIZE, 1000, np.uint16)
        self._clock = self.node.create_publisher(Clock, '/clock', 5)
        self._clock_ahead_s: float | None = None
        self._is_clock_dead = False
        self._stop = Event()
        self._source = Thread(target=self._publish_all, daemon=True)
        self._source.start()

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._source.join()
        super().__exit__(*exception)

    @property
    def rate_hz(self) -> float:
        """How often images came of late."""
        stamps_s = [sec + nanosec / 1e9 for sec, nanosec in list(self.stamps[Modality.RGB])]
        last_s = sorted(stamps_s)[-32:]
        return (len(last_s) - 1) / (last_s[-1] - last_s[0])

    def start_clock(self, at_s: float) -> None:
        """Publish a simulated clock that shows `at_s` now and runs on."""
        self._clock_ahead_s = at_s - time.monotonic()

    def kill_clock(self) -> None:
        """Publish the simulated clock no more."""
        self._is_clock_dead = True

    def _publish_all(self) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due = max(due + PERIOD_S, time.monotonic())
            stamp = self.node.get_clock().now().to_msg()
            if self._is_clock_dead:
                self.node.destroy_publisher(self._clock)  # without effect when it is gone
            elif self._clock_ahead_s is not None:
                shown_s = time.monotonic() + self._clock_ahead_s
                shown = Time(sec=int(shown_s), nanosec=int(shown_s % 1 * 1e9))
                self._clock.publish(Clock(clock=shown))
            for modality in sorted(self.alive, key=lambda m: m.value):
                self._publishers[modality].publish(self._image(modality, stamp))
            if self.has_calibration:
                self._info.publish(calibration(RGB_SIZE, FRAME_ID))
            if self.has_fallback:
                image = image_message(self._fallback_depth, '16UC1', stamp, FALLBACK_FRAME_ID)
                self._fallback.publish(image)
                self._fallback_info.publish(calibration(FALLBACK_SIZE, FALLBACK_FRAME_ID))

    def _image(self, modality: Modality, stamp: Any) -> Image:
        if modality is Modality.RGB:
            self._rgb = np.roll(self._rgb, 1, axis=1)
            image = image_message(self._rgb, 'rgb8', stamp, FRAME_ID)
        else:
            self._depth = np.roll(self._depth, 1, axis=1)
            image = image_message(self._depth, '16UC1', stamp, FRAME_ID)
        if modality in self.bad:
            self.bad[modality](image)
        else:
            self.stamps[modality].add((stamp.sec, stamp.nanosec))
        return image


def image_message(pixels: Any, encoding: str, stamp: Any, frame_id: str) -> Image:
    image = Image(encoding=encoding, height=pixels.shape[0], width=pixels.shape[1])
    image.header.stamp, image.header.frame_id = stamp, frame_id
    image.step = pixels.nbytes // image.height
    image.data = array('B', pixels.tobytes())
    return image


def calibration(size: tuple[int, int], frame_id: str) -> CameraInfo:
    """Return a pinhole whose focal length is the width, its axis in the middle."""
    height, width = size
    info = CameraInfo(height=height, width=width)
    info.header.frame_id = frame_id
    info.k = [width, 0, (width - 1) / 2, 0, width, (height - 1) / 2, 0, 0, 1]
    info.k = [float(value) for value in info.k]
    return info


@dataclass(frozen=True)
class Label:
    """A mask, and what the node said of it in its status."""

    mask: Image
    said: dict[str, str]

    @property
    def used(self) -> str:
        return self.said['used']

    @property
    def stamp(self) -> tuple[int, int]:
        return stamp_of(self.mask)

    @property
    def size(self) -> tuple[int, int]:
        return self.mask.height, self.mask.width


class Watcher(Node):
    """Records what the node publishes.

    A slow machine may lose any message, and lets those of one topic overtake those of another.

    Args:
        listens: Also to what is made from labels; else to the mode and diagnostics alone.
    """

    def __init__(self, *, listens: bool = True) -> None:
        super().__init__('watcher')
        self.masks: list[Image] = []
        self.confidences: list[Image] = []
        self.infos: list[CameraInfo] = []
        self.modes: list[str] = []
        self.diagnostics: dict[str, Any] = {}
        self._said: dict[tuple[int, int, str], dict[str, str]] = {}
        self._clients: dict[str, Any] = {}
        latched = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        subscribe = self.node.create_subscription
        if listens:
            subscribe(Image, '/m3l_segment/mask', self.masks.append, 10)
            subscribe(Image, '/m3l_segment/confidence', self.confidences.append, 10)
            subscribe(CameraInfo, '/m3l_segment/camera_info', self.infos.append, 10)
            subscribe(DiagnosticArray, '/m3l_segment/status', self._on_status, 10)
        subscribe(String, '/m3l_segment/mode', lambda m: self.modes.append(m.data), latched)
        subscribe(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)

    def listen(self, kind: Any, topic: str) -> list[Any]:
        """Return the list to which messages of a topic of the node will be added."""
        messages: list[Any] = []
        self.node.create_subscription(kind, f'/m3l_segment/{topic}', messages.append, 10)
        return messages

    def _on_status(self, message: DiagnosticArray) -> None:
        self._said[_key_of(message)] = values_of(message.status[0])

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self.diagnostics |= {status.name.split(': ')[-1]: status for status in message.status}

    def wait_for_mode(self, mode: str) -> None:
        wait_until(lambda: self.modes[-1:] == [mode], f'the mode {mode}', lambda: self.modes)

    def wait_for_masks(self, count: int) -> list[Image]:
        """Return `count` masks that come from now on."""
        before = len(self.masks)
        wait_until(lambda: len(self.masks) >= before + count, f'{count} masks')
        return self.masks[before : before + count]

    def labels(self, first: int = 0) -> list[Label]:
        """Return all masks from the `first` on, but those whose status is lost or yet to come."""
        masks = ((mask, self._said.get(_key_of(mask))) for mask in self.masks[first:])
        return [Label(mask, said) for mask, said in masks if said is not None]

    def wait_for_labels(
        self, what: str, holds: Callable[[Label], bool], count: int = 1
    ) -> list[Label]:
        """Return `count` labels that are as told, of masks that come from now on."""
        before = len(self.masks)

        def found() -> list[Label]:
            return [label for label in self.labels(before) if holds(label)]

        wait_until(
            lambda: len(found()) >= count,
            f'{count} labels {what}',
            lambda: [self.modes, *list(self._said.values())[-5:]],
        )
        return found()[:count]

    def wait_for_diagnostic(self, name: str, holds: Callable[[Any], bool]) -> Any:
        """Return the diagnostic status `name` once it is as told."""
        wait_until(
            lambda: name in self.diagnostics and holds(self.diagnostics[name]),
            f'diagnostics of {name}',
            lambda: self.diagnostics,
        )
        return self.diagnostics[name]

    def call(self, service_type: Any, name: str, request: Any) -> Any:
        """Return the answer of a service of the node."""
        if name not in self._clients:
            self._clients[name] = self._client(service_type, name)
            self._wait_until_known()
        future = self._clients[name].call_async(request)
        wait_until(future.done, f'an answer from {name}')
        return future.result()

    def _client(self, service_type: Any, name: str) -> Any:
        client = self.node.create_client(service_type, f'/m3l_segment/{name}')
        assert client.wait_for_service(PATIENCE_S)
        return client

    def _wait_until_known(self) -> None:
        """Wait until the node knows all clients: what one asks before is done, but not answered.

        It learns of them in the order in which they were made.
        """
        last = self._client(GetState, 'get_state')

        def is_answered() -> bool:
            future = last.call_async(GetState.Request())
            end = time.monotonic() + _ANSWER_S
            while not future.done() and time.monotonic() < end:
                time.sleep(0.01)
            return bool(future.done())

        wait_until(is_answered, 'an answer from get_state')


class SegmentProcess:
    """The node as a process of its own, and what it logs."""

    def __init__(self, log: Path, arguments: list[str]) -> None:
        self._log = log
        with log.open('w') as file:
            self.process = subprocess.Popen(
                [sys.executable, *arguments], stdout=file, stderr=subprocess.STDOUT
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    def wait_for_log(self, text: str) -> None:
        wait_until(lambda: text in self.log, f'{text!r} in the log', lambda: self.log)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Return the exit code after a signal."""
        if self.process.poll() is None:
            os.kill(self.process.pid, number)
        try:
            return self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


@contextmanager
def segment(folder: Path, **parameters: object) -> Iterator[SegmentProcess]:
    """Run the node with parameters until the block ends."""
    given = [f'{name}:={value}' for name, value in parameters.items()]
    arguments = ['-m', 'm3l_perception.segment_node', '--ros-args']
    arguments += [word for setting in given for word in ('-p', setting)]
    process = SegmentProcess(folder / 'segment.log', arguments)
    try:
        yield process
    finally:
        process.end()


def wait_until(
    holds: Callable[[], Any],
    what: str,
    seen: Callable[[], object] = lambda: '',
    *,
    patience_s: float = PATIENCE_S,
) -> None:
    """Wait until something holds, or fail saying what was seen instead."""
    end = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < end, f'no {what} within {patience_s} s {seen()}'
        time.sleep(0.02)


def values_of(status: Any) -> dict[str, str]:
    return {item.key: item.value for item in status.values}


def state(watcher: Watcher) -> str:
    answer = watcher.call(GetState, 'get_state', GetState.Request())
    return str(answer.current_state.label)


def change(watcher: Watcher, transition: int) -> None:
    """Ask for a transition, and for success."""
    request = ChangeState.Request(transition=Transition(id=transition))
    assert watcher.call(ChangeState, 'change_state', request).success


def set_parameter(watcher: Watcher, name: str, value: object) -> tuple[bool, str]:
    parameter = Parameter(name, value=value).to_parameter_msg()
    request = SetParameters.Request(parameters=[parameter])
    result = watcher.call(SetParameters, 'set_parameters', request).results[0]
    return result.successful, result.reason


def stamp_of(message: Any) -> tuple[int, int]:
    return message.header.stamp.sec, message.header.stamp.nanosec


def _key_of(message: Any) -> tuple[int, int, str]:
    return *stamp_of(message), message.header.frame_id


def is_pair(label: Label) -> bool:
    return label.used == 'rgb+depth'


def is_error(status: Any) -> bool:
    return status.level == DiagnosticStatus.ERROR


def count_bad(watcher: Watcher) -> int:
    status = watcher.diagnostics.get('engine')
    values = status.values if status else ()
    return sum(int(item.value) for item in values if item.key.startswith('bad: '))
