"""Real frames to compare engines on, from a folder of images or a bag."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from m3l_core.bags.folders import open_folder
from m3l_core.bags.reading import Bag
from m3l_core.bags.topics import find_topics
from m3l_core.errors import DataError
from m3l_core.frames import meters, RgbdFrame
from m3l_core.stream.image_codec import decode_depth, decode_rgb

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from m3l_core.bags.reading import BagMessage

_LEAST_CORRELATION = 0.5
"""Between horizontal neighbors. Images of rooms have 0.9 and more, noise has 0."""


@dataclass(frozen=True, eq=False)
class LabeledFrame:
    """A frame with its true labels `(H, W)`, None where they are not known."""

    frame: RgbdFrame
    truth: NDArray[np.uint8] | None


def real_frames(source: Path, count: int, *, least: int | None = None) -> list[LabeledFrame]:
    """Return `count` frames spread evenly over a folder of images or a bag.

    Args:
        source: The folder or bag.
        count: How many.
        least: How many will do if there are no more; None for `count`.

    Raises:
        DataError: If there are fewer frames, or one is noise: on noise every network is unsure
            everywhere, so nothing can be learned from its labels.
        BagError: If the bag cannot be read.
    """
    frames = _from_folder(source, count) if _is_folder(source) else _from_bag(source, count)
    least = count if least is None else least
    if len(frames) < least:
        raise DataError(
            f'{source}: expected at least {least} frames, got {len(frames)}. '
            'Give a folder or bag with more.'
        )
    for index, labeled in enumerate(frames):
        rgb = labeled.frame.rgb
        assert rgb is not None  # noqa: S101 - both readers give both images
        if not _correlation(rgb) >= _LEAST_CORRELATION:
            raise DataError(
                f'{source}: frame {index} is noise or blank, not an image of a camera. '
                'Give real frames.'
            )
    return frames


def _is_folder(source: Path) -> bool:
    return source.is_dir() and not (source / 'metadata.yaml').is_file()


def _from_folder(folder: Path, count: int) -> list[LabeledFrame]:
    files = open_folder(folder).frames
    chosen = _spread(len(files), count)
    return [
        LabeledFrame(
            RgbdFrame(files[i].read_rgb(), meters(files[i].read_depth_mm())),
            files[i].read_labels(),
        )
        for i in chosen
    ]


def _from_bag(path: Path, count: int) -> list[LabeledFrame]:
    with Bag(path) as bag:
        topics = find_topics(bag)
        assert topics.rgb is not None  # noqa: S101 - find_topics has checked
        assert topics.depth is not None  # noqa: S101
        wanted = set(_spread(bag.topics[topics.rgb].count, count))
        stamps = {
            _stamp_ns(message)
            for index, message in enumerate(bag.messages([topics.rgb]))
            if index in wanted
        }
        nearest = dict(_nearest(bag.messages([topics.depth]), sorted(stamps)))
        truths = {}
        if topics.labels is not None:
            for message in bag.messages([topics.labels]):
                if _stamp_ns(message) in stamps:
                    truths[_stamp_ns(message)] = _labels(message)
        return [
            LabeledFrame(
                RgbdFrame(decode_rgb(message.message), nearest[_stamp_ns(message)]),
                truths.get(_stamp_ns(message)),
            )
            for index, message in enumerate(bag.messages([topics.rgb]))
            if index in wanted
        ]


def _nearest(
    messages: Iterator[BagMessage], stamps: list[int]
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield each stamp with the depth image nearest to it; both come in the order of time."""
    previous = next(messages, None)
    following = next(messages, None)
    for stamp in stamps:
        assert previous is not None  # noqa: S101 - find_topics takes topics with messages only
        while following is not None and _closer(following, previous, stamp):
            previous, following = following, next(messages, None)
        yield stamp, decode_depth(previous.message)


def _closer(one: BagMessage, other: BagMessage, stamp: int) -> bool:
    return abs(_stamp_ns(one) - stamp) <= abs(_stamp_ns(other) - stamp)


def _labels(message: BagMessage) -> NDArray[np.uint8]:
    """Return the class ids of a mono8 image, which come back in all three channels."""
    return np.ascontiguousarray(decode_rgb(message.message)[..., 0])


def _stamp_ns(message: BagMessage) -> int:
    stamp = message.message.header.stamp
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def _spread(available: int, count: int) -> list[int]:
    """Return at most `count` indices, evenly over all that are there."""
    if available <= count:
        return list(range(available))
    return [round(i * (available - 1) / (count - 1)) for i in range(count)]


def _correlation(rgb: NDArray[np.uint8]) -> float:
    """Return the correlation of horizontal neighbors; NaN for an image of one color."""
    gray = rgb.mean(axis=2)
    left, right = gray[:, :-1].ravel(), gray[:, 1:].ravel()
    with np.errstate(invalid='ignore', divide='ignore'):
        return float(np.corrcoef(left, right)[0, 1])
