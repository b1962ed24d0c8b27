"""The values a stream gives away: frames to label, and counts to report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from m3l_core.frames import Modality

if TYPE_CHECKING:
    from m3l_core.stream.mode import Mode
    from m3l_core.stream.pairing import Resolved


@dataclass(frozen=True)
class Taken:
    """One frame to label: a pair, or one image alone.

    Attributes:
        rgb: The RGB image as it was added, or None.
        depth: The depth image as it was added, or None.
        anchor: The stream whose stamp, size and frame the labels have.
        stamp_ns: Header stamp of the anchor image, as it came (0 stays 0).
        receive_ns: When the anchor image arrived, in steady time.
        pair_gap_ns: Stamp of depth, offset added, minus stamp of RGB; None for one image alone.
        wait_ns: How long the anchor image was held for its partner.
        mode: The mode when the frame was taken.
        reason: `paired`, or why the image is alone: `no_partner` (none can come any more),
            `deadline`, `depth_stale`, `depth_late`, `unsynchronised`, `rgb_missing`, `rgb_sick`,
            `fallback`, `clock_jump`; or `probe`: to be looked at, and not labeled.
    """

    rgb: object | None
    depth: object | None
    anchor: Modality
    stamp_ns: int
    receive_ns: int
    pair_gap_ns: int | None
    wait_ns: int
    mode: Mode
    reason: str

    @property
    def is_fallback(self) -> bool:
        """Whether its depth is not registered to RGB."""
        return self.reason == 'fallback'

    @property
    def is_probe(self) -> bool:
        """Whether it is only to be looked at: labels come from the other stream meanwhile."""
        return self.reason == 'probe'

    @classmethod
    def of(cls, resolved: Resolved, mode: Mode) -> Taken:
        """Return an anchor that waits no longer as the frame that an engine gets."""
        anchor, partner = resolved.anchor, resolved.partner
        is_rgb = anchor.modality is Modality.RGB
        alone = None if is_rgb else anchor.image
        return cls(
            rgb=anchor.image if is_rgb else None,
            depth=alone if partner is None else partner.image,
            anchor=anchor.modality,
            stamp_ns=anchor.stamp_ns,
            receive_ns=anchor.arrival_ns,
            pair_gap_ns=None if partner is None else partner.time_ns - anchor.time_ns,
            wait_ns=resolved.at_ns - anchor.arrival_ns,
            mode=mode,
            reason=resolved.reason,
        )


@dataclass(frozen=True)
class InputStatistics:
    """What one stream did so far.

    Attributes:
        received: Images that arrived.
        period_ns: Measured time between arrivals, or None until known.
        age_ns: Time since the last arrival in order, or None if there was none.
        heard_age_ns: Time since the last arrival of any image, those that a stamp which stands
            still keeps out of order included, or None if there was none.
        drops: Images that became no label, by reason: `out_of_order`, `unpaired`, `superseded`
            (something newer was taken), `skipped` (`unpaired: skip`), `overflow`, `clock_jump`,
            `not_needed` (a fallback while another stream lives, sick RGB while depth leads), or
            the word with which the stream was reset, such as the node's `activated`.
        zero_stamps: Images without a stamp, which pair by the time they arrived.
        health: What is wrong with the last image that was looked into; empty if nothing.
        sick: Images that turned out to be sick.
    """

    received: int
    period_ns: int | None
    age_ns: int | None
    heard_age_ns: int | None
    drops: dict[str, int]
    zero_stamps: int
    health: str
    sick: int


@dataclass(frozen=True)
class StreamStatistics:
    """Both streams, and how they pair.

    Attributes:
        rgb: The RGB stream.
        depth: The depth stream.
        fallback: Depth that is not registered to RGB, and only used when both are gone.
        pairs: Pairs found so far, taken or not.
        lone: Anchor images that found no partner, taken or not.
        gap_ns: Largest difference of stamps that pairs now.
        lag_ns: Learned 99th percentile of depth's arrival after RGB, or None until known.
        wait_ns: How long an RGB image waits for its partner now.
        skew_ns: Typical stamp of depth, its offset added, minus that of RGB; None until known.
        offset_ns: The `depth_stamp_offset` that makes the skew vanish, or None unless the skew
            is constant.
    """

    rgb: InputStatistics
    depth: InputStatistics
    fallback: InputStatistics
    pairs: int
    lone: int
    gap_ns: int
    lag_ns: int | None
    wait_ns: int
    skew_ns: int | None
    offset_ns: int | None
