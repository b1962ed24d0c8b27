"""Who is the anchor: RGB while it lives, else depth, else depth that is not registered to RGB."""

from __future__ import annotations

from typing import TYPE_CHECKING

from m3l_core.frames import Modality
from m3l_core.stream.pairing import Resolved

if TYPE_CHECKING:
    from m3l_core.stream.pairing import Pairing
    from m3l_core.stream.source import Arrival
    from m3l_core.stream.watch import Watch


class Takeover:
    """Lets depth be the anchor from the third image that RGB misses to the first that returns."""

    def __init__(self) -> None:
        self._anchor = Modality.RGB
        self.fallback: Arrival | None = None
        """The newest depth image that is not registered to RGB; it pairs with nothing."""

    def end(self) -> None:
        """Give the anchor back to RGB, which came."""
        self._anchor = Modality.RGB

    def frames(
        self, watch: Watch, pairing: Pairing, now_ns: int
    ) -> tuple[list[Resolved], list[Arrival]]:
        """Return the depth image to label alone, if RGB is gone, and those that it supersedes."""
        if self._anchor is Modality.RGB and watch.is_missing(Modality.RGB, now_ns):
            self._anchor = Modality.DEPTH
        if self._anchor is Modality.RGB or pairing.is_waiting:
            return [], []
        newest, older = pairing.hand_over_partners()
        reason = 'rgb_missing'
        if newest is None and watch.is_missing(Modality.DEPTH, now_ns):
            newest, self.fallback = self.fallback, None
            reason = 'fallback'
        alone = [] if newest is None else [Resolved(newest, None, now_ns, reason)]
        return alone, older
