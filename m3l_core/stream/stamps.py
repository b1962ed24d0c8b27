"""What images pair by: their stamps, or when they arrive if a stream has none."""

from __future__ import annotations

from m3l_core.frames import Modality


class PairingClock:
    """Gives each image the time that it pairs by.

    Args:
        depth_offset_ns: Added to the stamps of depth.
    """

    def __init__(self, depth_offset_ns: int) -> None:
        self.depth_offset_ns = depth_offset_ns
        """Can be set to another at any time."""
        self.restart()

    def restart(self) -> None:
        """Take every stream to have stamps until it shows none."""
        self._unstamped = dict.fromkeys(Modality, False)

    @property
    def is_by_arrival(self) -> bool:
        """Whether images pair by when they arrive: one stream without stamps decides for both."""
        return any(self._unstamped.values())

    def time_ns(self, modality: Modality, stamp_ns: int, now_ns: int) -> int:
        """Return what the next image of a stream pairs by; a stamp of 0 is none."""
        self._unstamped[modality] = stamp_ns == 0
        if self.is_by_arrival:
            return now_ns
        return stamp_ns + (self.depth_offset_ns if modality is Modality.DEPTH else 0)
