"""From the messages that a stream gave out to the frame that the network labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TYPE_CHECKING

from m3l_core.errors import FrameError
from m3l_core.frames import RgbdFrame
from m3l_core.stream.image_codec import decode_depth, decode_rgb
from m3l_core.stream.image_header import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from m3l_core.stream.image_codec import OtherDecoder

_LARGEST_SKEW = 0.02
"""Difference of the sides' ratios up to which two sizes show one view: rounding, not cropping."""


@dataclass(frozen=True, eq=False)
class DecodedFrame:
    """A frame, and what became of the images it was to be made from.

    Attributes:
        frame: What the network gets.
        header: Header of the message whose place and time the labels have.
        problems: Why an image was left out; one line each.
        doubts: Why depth may not show what color shows; one line each, the same for every frame
            of the same two cameras.
    """

    frame: RgbdFrame
    header: Any
    problems: tuple[str, ...]
    doubts: tuple[str, ...] = ()


def decode(
    rgb: Any | None,  # noqa: ANN401
    depth: Any | None,  # noqa: ANN401
    other: OtherDecoder | None = None,
) -> DecodedFrame:
    """Return the frame in one or two image messages; a damaged one counts as missing.

    Args:
        rgb: Color image.
        depth: Depth image.
        other: Asked for raw color images whose encoding is not known here.

    Raises:
        FrameError: If no image is left, naming every reason.
    """
    problems: list[str] = []
    rgb_pixels = _decoded(rgb, lambda message: decode_rgb(message, other), problems)
    depth_m = _decoded(depth, decode_depth, problems)
    if rgb_pixels is None and depth_m is None:
        raise FrameError(' '.join(problems) or 'frame: expected an image, got none.')
    anchor: Any = rgb if rgb_pixels is not None else depth
    stamp = anchor.header.stamp
    frame = RgbdFrame(
        rgb_pixels,
        depth_m,
        stamp_ns=stamp.sec * 1_000_000_000 + stamp.nanosec,
        frame_id=anchor.header.frame_id,
    )
    doubts = _doubts(frame, depth.header.frame_id) if depth is not None else []
    return DecodedFrame(frame, anchor.header, tuple(problems), tuple(doubts))


def _doubts(frame: RgbdFrame, depth_frame_id: str) -> list[str]:
    """Return why the depth of a frame with both images may not be registered to its color."""
    if frame.rgb is None or frame.depth_m is None:
        return []
    doubts = []
    if depth_frame_id != frame.frame_id:
        doubts.append(
            f'depth image: expected the frame_id {shown(frame.frame_id)} of the color image, got '
            f'{shown(depth_frame_id)}. Choose the topic of depth that is registered to color.'
        )
    height, width = frame.depth_m.shape
    color_height, color_width = frame.size
    if (height, width) != (color_height, color_width):
        one_view = abs(width * color_height / (height * color_width) - 1) <= _LARGEST_SKEW
        remedy = (
            'The nearest readings are taken.' if one_view else
            'Their shapes differ, so their views do. Choose depth that is registered to color.'
        )  # fmt: skip
        doubts.append(
            f'depth image: expected {color_width}x{color_height} pixels as the color image has, '
            f'got {width}x{height}. {remedy}'
        )
    return doubts


def _decoded(
    message: Any | None,  # noqa: ANN401
    decoder: Callable[[Any], Any],
    problems: list[str],
) -> Any | None:  # noqa: ANN401
    if message is None:
        return None
    try:
        return decoder(message)
    except FrameError as error:
        problems.append(str(error))
        return None
