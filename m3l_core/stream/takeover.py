"""Who is the anchor: RGB while it lives, else depth, else depth that is not registered to RGB.

RGB that shows nothing is no anchor either while depth, which pairs with none of its images, shows
something. One of them is then looked at now and then, or nobody would see that it is well again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from m3l_core.frames import Modality
from m3l_core.stream.pairing import Resolved

if TYPE_CHECKING:
    from m3l_core.stream.pairing import Pairing
    from m3l_core.stream.source import Arrival
    from m3l_core.stream.watch import Watch


_PROBE_EVERY_NS = 500_000_000


class Takeover:
    """Lets depth be the anchor from the third image that RGB misses to the first that returns."""

    def __init__(self) -> None:
        self._anchor = Modality.RGB
        self.fallback: Arrival | None = None
        """The newest depth image that is not registered to RGB; it pairs with nothing."""
        self.probe: Arrival | None = None
        """The newest RGB image while depth leads, for a look and not for labels."""
        self._probed_ns = 0

    def end(self) -> None:
        """Give the anchor back to RGB, which came."""
        self._anchor = Modality.RGB

    @property
    def probe_at_ns(self) -> int | None:
        """When there is an RGB image to look at, or None."""
        return None if self.probe is None else self._probed_ns + _PROBE_EVERY_NS

    def hold_probe(self, batch: list[Resolved]) -> tuple[list[Resolved], list[Arrival]]:
        """Keep the newest lone RGB image for a look; return other frames, and what is dropped."""
        lone = [resolved.anchor for resolved in batch if resolved.partner is None]
        if not lone:
            return batch, []
        dropped = [*([self.probe] if self.probe else []), *lone[:-1]]
        self.probe = lone[-1]
        return [resolved for resolved in batch if resolved.partner is not None], dropped

    def take_probe(self, now_ns: int) -> Resolved | None:
        """Return the RGB image to look at now, or None."""
        probe, due_ns = self.probe, self.probe_at_ns
        if probe is None or due_ns is None or now_ns < due_ns:
            return None
        self.probe, self._probed_ns = None, now_ns
        return Resolved(probe, None, now_ns, 'probe')

    def frames(
        self, watch: Watch, pairing: Pairing, now_ns: int, *, leads: bool
    ) -> tuple[list[Resolved], list[Arrival]]:
        """Return the depth image to label alone, if RGB is gone, and those that it supersedes.

        Args:
            watch: The streams.
            pairing: Where depth images wait.
            now_ns: Steady time.
            leads: Whether depth is the anchor although RGB comes.
        """
        if self._anchor is Modality.RGB and (leads or watch.is_missing(Modality.RGB, now_ns)):
            self._anchor = Modality.DEPTH
        if self._anchor is Modality.RGB or pairing.is_waiting:
            return [], []
        newest, older = pairing.hand_over_partners()
        reason = 'rgb_sick' if leads else 'rgb_missing'
        if newest is None and watch.is_missing(Modality.DEPTH, now_ns):
            newest, self.fallback = self.fallback, None
            reason = 'fallback'
        alone = [] if newest is None else [Resolved(newest, None, now_ns, reason)]
        return alone, older
