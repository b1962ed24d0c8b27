"""When depth that is not registered to RGB stands in for depth that is.

Some drivers stop registered depth together with color, while the depth sensor itself goes on.
"""

from __future__ import annotations

from m3l_core.frames import Modality
from m3l_core.stream.period import PeriodEstimator

_MISSED_PERIODS = 1.5
"""Early enough that, to the stream, depth never stopped: it calls 2.5 periods an outage."""

_UNKNOWN_NS = 300_000_000


class Fallback:
    """Tells when to use unregistered depth: while neither RGB nor registered depth comes.

    Args:
        now_ns: Steady time from which silence counts.
    """

    def __init__(self, now_ns: int) -> None:
        self._periods = {modality: PeriodEstimator() for modality in Modality}
        self._last_ns = dict.fromkeys(Modality, now_ns)
        self._seen: set[Modality] = set()

    def note(self, modality: Modality, now_ns: int) -> None:
        """Note that an RGB or a registered depth image arrived."""
        step_ns = now_ns - self._last_ns[modality]
        if modality in self._seen and step_ns > 0:
            self._periods[modality].learn(step_ns, step_ns)
        self._seen.add(modality)
        self._last_ns[modality] = now_ns

    def is_needed(self, now_ns: int) -> bool:
        """Return whether an image of the fallback that arrives now is to be used."""
        for modality, last_ns in self._last_ns.items():
            self._last_ns[modality] = min(last_ns, now_ns)  # A simulated clock may be set back.
        return all(self._is_missed(modality, now_ns) for modality in Modality)

    def _is_missed(self, modality: Modality, now_ns: int) -> bool:
        period_ns = self._periods[modality].arrival_ns
        patience_ns = _MISSED_PERIODS * period_ns if period_ns else _UNKNOWN_NS
        return now_ns - self._last_ns[modality] >= patience_ns
