"""From the messages that a stream gave out to the frame that the network labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TYPE_CHECKING

from m3l_core.errors import FrameError
from m3l_core.frames import RgbdFrame
from m3l_core.stream.image_codec import decode_depth, decode_rgb

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, eq=False)
class DecodedFrame:
    """A frame, and what became of the images it was to be made from.

    Attributes:
        frame: What the network gets.
        header: Header of the message whose place and time the labels have.
        problems: Why an image was left out; one line each.
    """

    frame: RgbdFrame
    header: Any
    problems: tuple[str, ...]


def decode(rgb: Any | None, depth: Any | None) -> DecodedFrame:  # noqa: ANN401
    """Return the frame in one or two image messages; a damaged one counts as missing.

    Raises:
        FrameError: If no image is left, naming every reason.
    """
    problems: list[str] = []
    rgb_pixels = _decoded(rgb, decode_rgb, problems)
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
    return DecodedFrame(frame, anchor.header, tuple(problems))


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
