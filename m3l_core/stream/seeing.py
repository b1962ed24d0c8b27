"""From the messages that were taken to the frame that the network gets: decoded, and healthy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TYPE_CHECKING

import cv2

from m3l_core.errors import FrameError
from m3l_core.frames import Modality, RgbdFrame
from m3l_core.stream.content import ContentWatch
from m3l_core.stream.decoding import decode
from m3l_core.stream.health import Finding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from m3l_core.stream.content import Content
    from m3l_core.stream.image_codec import OtherDecoder

Change = Callable[[RgbdFrame], RgbdFrame]
"""What is done to a decoded frame before anybody looks at it."""


@dataclass(frozen=True, eq=False)
class Seen:
    """What the images of one frame show, and what became of those that are of no use.

    Attributes:
        frame: What the network gets; None if no image can be decoded.
        header: Header of the image whose place and time the labels have.
        anchor: The stream of that image.
        findings: Of each image that was taken, whether it can be relied on.
        problems: Why an image could not be decoded; one line each.
        doubts: Why depth may not show what color shows; one line each.
        warning: What is odd about the images although they are used, or ''.
    """

    frame: RgbdFrame | None
    header: Any
    anchor: Modality | None
    findings: Mapping[Modality, Finding]
    problems: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    warning: str = ''

    @property
    def remarks(self) -> str:
        """What was wrong with the images, in one line."""
        faults = [
            finding.fault
            for finding in self.findings.values()
            if finding.fault and '_unreadable' not in finding.fault.partition(':')[0]
        ]
        return ' '.join([*self.problems, *faults])


class Seeing:
    """Decodes what was taken, and leaves out what is black, empty or frozen.

    Args:
        other: Asked for raw color images whose encoding is not known here.
    """

    def __init__(self, other: OtherDecoder | None = None) -> None:
        self._content = ContentWatch()
        self._other = other

    def look(
        self,
        rgb: Any | None,  # noqa: ANN401
        depth: Any | None,  # noqa: ANN401
        *,
        receive_ns: int,
        change: Change | None = None,
    ) -> Seen:
        """Return what the images of one frame show, damaged or not.

        Args:
            rgb: Message of the color image.
            depth: Message of the depth image.
            receive_ns: When the anchor image arrived.
            change: What is done to the images once they are decoded.
        """
        images = {Modality.RGB: rgb, Modality.DEPTH: depth}
        given = [modality for modality, image in images.items() if image is not None]
        try:
            decoded = decode(rgb, depth, self._other)
        except FrameError as error:
            findings = {modality: Finding.unreadable(modality, str(error)) for modality in given}
            return Seen(None, None, None, findings, (str(error),))
        frame = decoded.frame if change is None else change(decoded.frame)
        content = self._content.judge(frame, now_ns=receive_ns)
        return Seen(
            frame=at_size(content.without_sick(frame), frame.size),
            header=decoded.header,
            anchor=Modality.DEPTH if frame.rgb is None else Modality.RGB,
            findings=_findings(given, content, ' '.join(decoded.problems)),
            problems=decoded.problems,
            doubts=decoded.doubts,
            warning=content.warning,
        )


def _findings(given: list[Modality], content: Content, problem: str) -> dict[Modality, Finding]:
    judged = {Modality.RGB: content.rgb, Modality.DEPTH: content.depth}
    return {
        modality: judged[modality] or Finding.unreadable(modality, problem) for modality in given
    }


def at_size(frame: RgbdFrame, size: tuple[int, int]) -> RgbdFrame:
    """Return a frame whose labels have `size`: depth in place of RGB gets RGB's size."""
    if frame.size == size or frame.depth_m is None:
        return frame
    height, width = size
    depth_m = cv2.resize(frame.depth_m, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return RgbdFrame(None, depth_m, stamp_ns=frame.stamp_ns, frame_id=frame.frame_id)
