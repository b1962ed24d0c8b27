"""A camera for benchmarks: frames of a bag as raw 640x480 images, stamped as they are published.

Stamps are of the steady clock, which all processes of a machine share, so whoever receives
something with such a stamp knows how long it took. At the end it prints how many pairs there were.

    python benchmarks/camera.py BAG --rate HZ [--frames 30]
"""

from __future__ import annotations

import argparse
from array import array
from itertools import cycle, islice
from pathlib import Path
import signal
import sys
import time
from typing import Any, TYPE_CHECKING

from builtin_interfaces.msg import Time
import cv2
import numpy as np
import rclpy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image

from m3l_core.bags.reading import Bag
from m3l_core.bags.topics import find_topics
from m3l_core.stream.image_codec import decode_depth, decode_rgb

if TYPE_CHECKING:
    from numpy.typing import NDArray


DISCOVERY_S = 10.0
GRACE_S = 0.5
"""For the subscriber to have found the publisher as well."""


def main() -> None:
    """Publish until told to end."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('bag', type=Path)
    parser.add_argument('--rate', type=float, required=True)
    parser.add_argument('--frames', type=int, default=30, help='of the bag, again and again (30)')
    arguments = parser.parse_args()
    pairs = read_pairs(arguments.bag, arguments.frames)
    is_over: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: is_over.append(1))
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node('camera')
    publishers = [node.create_publisher(Image, f'/{name}/image', 10) for name in ('rgb', 'depth')]
    wait_for_subscribers(publishers)
    due_s, published = time.monotonic(), 0
    for pair in cycle(pairs):
        time.sleep(max(0.0, due_s - time.monotonic()))
        if is_over:
            break
        due_s += 1 / arguments.rate
        seconds, nanoseconds = divmod(time.monotonic_ns(), 1_000_000_000)
        for publisher, message in zip(publishers, pair, strict=True):
            message.header.stamp = Time(sec=seconds, nanosec=nanoseconds)
            publisher.publish(message)
        published += 1
    print(published, flush=True)
    node.destroy_node()
    rclpy.shutdown()


def wait_for_subscribers(publishers: list[Any]) -> None:
    """Wait until somebody listens, so that every image that gets lost was lost on its way."""
    end_s = time.monotonic() + DISCOVERY_S
    while time.monotonic() < end_s and not all(p.get_subscription_count() for p in publishers):
        time.sleep(0.05)
    time.sleep(GRACE_S)


def read_pairs(path: Path, count: int) -> list[tuple[Image, Image]]:
    """Return the first pairs of a bag, decoded."""
    with Bag(path) as bag:
        topics = find_topics(bag)
        images: dict[str, list[Any]] = {topics.rgb: [], topics.depth or '': []}
        for raw in islice(bag.raw_messages(list(images)), 2 * count):
            images[raw.topic].append(bag.deserialize(raw))
    colors, depths = images.values()
    return [
        (
            image(resized(decode_rgb(color)), 'rgb8'),
            image(resized(np.round(1e3 * decode_depth(depth)).astype(np.uint16)), '16UC1'),
        )
        for color, depth in zip(colors, depths, strict=False)
    ]


def resized(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return pixels in the size that the targets are stated for."""
    return cv2.resize(pixels, (640, 480), interpolation=cv2.INTER_NEAREST)


def image(pixels: NDArray[Any], encoding: str) -> Image:
    """Return pixels as a message."""
    message = Image(encoding=encoding, height=pixels.shape[0], width=pixels.shape[1])
    message.header.frame_id = 'camera'
    message.step = pixels.nbytes // message.height
    message.data = array('B', pixels.tobytes())
    return message


if __name__ == '__main__':
    sys.exit(main())
