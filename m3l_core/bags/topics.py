"""Which topic of a bag is which image."""

from __future__ import annotations

from dataclasses import dataclass, fields
import re
from typing import TYPE_CHECKING

from m3l_core.errors import BagError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from m3l_core.bags.reading import Bag

RGB_TOPIC = '/camera/color/image_raw'
DEPTH_TOPIC = '/camera/aligned_depth_to_color/image_raw'
CAMERA_INFO_TOPIC = '/camera/color/camera_info'
LABELS_TOPIC = '/camera/labels/image_raw'
FRAME_ID = 'camera_color_optical_frame'

IMAGE_TYPES = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')
_CAMERA_INFO_TYPE = 'sensor_msgs/msg/CameraInfo'

_LABEL_WORDS = ('label', 'mask', 'semantic', 'segmentation')
_OTHER_WORDS = ('infra', 'confidence', 'theora', 'disparity', 'thermal', 'fisheye', 'gray')
_COLOR_WORDS = ('rgb', 'color', 'left')
_REGISTERED_WORDS = ('aligned', 'registered', 'to_color', 'to_rgb')
_TRANSPORT = re.compile(r'/compressed(Depth)?$')


@dataclass(frozen=True)
class RgbdTopics:
    """The topics of one RGB-D camera; None for what the bag does not hold."""

    rgb: str | None = None
    depth: str | None = None
    camera_info: str | None = None
    labels: str | None = None


def guess_topics(bag: Bag) -> RgbdTopics:
    """Return the topics that, by their types and names, are one camera's RGB, depth and labels.

    Depth that is registered to color is preferred, and raw images to compressed ones.
    """
    return guess_among({name: topic.type for name, topic in bag.topics.items() if topic.count})


def guess_among(types: Mapping[str, str]) -> RgbdTopics:
    """Return what `guess_topics` does, of topics given as name to message type."""
    images = [name for name, kind in types.items() if kind in IMAGE_TYPES]
    images = [name for name in images if not _has(name, _OTHER_WORDS)]
    labels = [name for name in images if _has(name, _LABEL_WORDS)]
    depth = [name for name in images if 'depth' in _camera(name) and name not in labels]
    color = [name for name in images if name not in labels and name not in depth]
    rgb = _best(color, _COLOR_WORDS)
    infos = [name for name, kind in types.items() if kind == _CAMERA_INFO_TYPE]
    beside = [name for name in infos if rgb and _camera(name) == _camera(rgb)]
    return RgbdTopics(
        rgb=rgb,
        depth=_best([name for name in depth if _is_depth_transport(name)], _REGISTERED_WORDS),
        camera_info=_best(beside or infos, _COLOR_WORDS),
        labels=_best(labels, ()),
    )


def find_topics(bag: Bag, given: RgbdTopics = RgbdTopics()) -> RgbdTopics:
    """Return the topics that are given, and guesses for the others.

    Raises:
        BagError: If a given topic is not in the bag, or the bag has no RGB or no depth.
    """
    guessed = guess_topics(bag)
    chosen = {}
    for field in fields(RgbdTopics):
        name = getattr(given, field.name)
        if name is not None:
            bag.expect_topics([name])
        chosen[field.name] = name or getattr(guessed, field.name)
    topics = RgbdTopics(**chosen)
    for name, topic in (('color', topics.rgb), ('depth', topics.depth)):
        if topic is None:
            images = [key for key, value in bag.topics.items() if value.type in IMAGE_TYPES]
            raise BagError(
                f'{bag.path}: expected a topic of {name} images, got '
                f'{", ".join(images) or "no image topics"}. Name the topic, or record one.'
            )
    return topics


def base_and_transport(topic: str) -> tuple[str, str]:
    """Return an image topic without the ending of its transport, and the transport.

    `/a/image_raw/compressed` gives `/a/image_raw` and `compressed`; without an ending it is `raw`.
    """
    match = _TRANSPORT.search(topic)
    return (topic[: match.start()], match[0][1:]) if match else (topic, 'raw')


def _camera(topic: str) -> str:
    """Return the namespace of an image topic: `/a/color` of `/a/color/image_raw/compressed`."""
    return _TRANSPORT.sub('', topic).rpartition('/')[0] or topic


def _is_depth_transport(topic: str) -> bool:
    """Tell whether a depth topic holds depth: `/compressed` is depth as a lossy picture."""
    return not topic.endswith('/compressed')


def _has(topic: str, words: Iterable[str]) -> bool:
    return any(word in topic.lower() for word in words)


def _best(topics: list[str], words: tuple[str, ...]) -> str | None:
    """Return the topic that has one of the words, is raw, and comes first by its name."""
    return min(
        topics,
        key=lambda name: (not _has(name, words), bool(_TRANSPORT.search(name)), name),
        default=None,
    )
