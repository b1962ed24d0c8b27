"""What is known of one mask, and who is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol, TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from m3l_core.frames import RgbdFrame

Used = Literal['rgbd', 'rgb', 'depth']
"""What a mask was made from."""

CONDITION_OF: dict[Used, str] = {'rgbd': 'both', 'rgb': 'depth_missing', 'depth': 'rgb_missing'}
"""What the same is called in `m3l_core.metrics.CONDITIONS`."""


@dataclass(frozen=True, kw_only=True)
class FrameRecord:
    """One mask; seconds are the bag's, counted from the receipt of its first image.

    Attributes:
        index: Number of the mask in its run.
        stamp_ns: Header stamp of the mask.
        anchor: `rgb` or `depth`: whose stamp and size it has.
        received_s: When the anchor image arrived.
        taken_s: When the engine took the frame.
        labeled_s: When the labels were ready, by the run's clock.
        wait_ms: How long the anchor image was held for its partner.
        pair_gap_ms: Stamp of depth minus stamp of RGB; None for one image alone.
        mode: State of the streams when the frame was taken.
        reason: Why the frame is a pair or alone.
        used: What the network got.
        sick: What was wrong with images that were left out, by modality.
        problems: Why images could not be decoded.
        size: Height and width of the mask.
        labels_crc32: Of the mask's bytes: equal masks have equal numbers.
        confidence: Mean probability of the label, 0 to 1.
        miou: Of this mask alone, in percent; None without truth.
        accuracy: Share of right pixels, in percent; None without truth.
        agreement: Share of pixels in percent where `rgb` alone, and `depth` alone, says the same
            as the pair; None unless they were tried.
    """

    index: int
    stamp_ns: int
    anchor: str
    received_s: float
    taken_s: float
    labeled_s: float
    wait_ms: float
    pair_gap_ms: float | None
    mode: str
    reason: str
    used: Used
    sick: dict[str, str]
    problems: tuple[str, ...]
    size: tuple[int, int]
    labels_crc32: int
    confidence: float
    miou: float | None
    accuracy: float | None
    agreement: dict[str, float] | None

    @property
    def latency_ms(self) -> float:
        """Time from the arrival of the anchor image to its labels."""
        return round(1e3 * (self.labeled_s - self.received_s), 3)

    def to_dict(self) -> dict[str, Any]:
        """Return the record for JSON."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {'type': 'frame', **values, 'latency_ms': self.latency_ms}


@dataclass(frozen=True, eq=False)
class ScoredFrame:
    """A mask, and the images it was made from.

    Attributes:
        record: What is known of it.
        frame: What the network got: faults are in it, sick images are not.
        labels: `(H, W)` class indices.
        confidence: `(H, W)` 255 times the probability of the label.
        truth: `(H, W)` class indices, 255 without a class; or None.
    """

    record: FrameRecord
    frame: RgbdFrame
    labels: NDArray[np.uint8]
    confidence: NDArray[np.uint8]
    truth: NDArray[np.uint8] | None


class Observer(Protocol):
    """Who is told of every mask of a run."""

    def on_frame(self, scored: ScoredFrame) -> None:
        """Take in the next mask; keep nothing that grows with the bag."""

    def close(self, summary: dict[str, Any]) -> None:
        """The run is over: write what is to be written."""
