"""Which streams can be relied on now.

                rgb comes                           depth comes, rgb stale
      +------------------------- NO_INPUT ----------------------------+
      |                             ^                                 |
      |                both stale, from any mode                      |
      v                                                               v
    RGB_ONLY ------------ rgb stale or sick, depth comes -------> DEPTH_ONLY
     ^ |  ^                                                         | | ^
     | |  +---- depth stale or sick, or rgb back for 1 s unpaired --+ | |
     | |                                                              | |
     | +----- 3 successive pairs and 0.5 s ----> RGBD <-- the same ---+ |
     |                                            | |                   |
     +-- depth stale, sick, late, ----------------+ +-- rgb stale ------+
         unsynchronised, or few pairs                   or sick

Stale is a stream that is silent for longer than its rhythm allows; sick, one that sends images
which show nothing or what is gone. A mode is left only for what demonstrably comes: while the
other stream is silent as well, it may be the machine that stalls. If neither can be relied on,
the mode is that of the less bad one. What one frame was made from is a fact of that frame and
changes no mode.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum

from m3l_core.stream.health import Severity
from m3l_core.stream.record import PairingRecord

_MOST_TRANSITIONS = 64

_FEW_PAIRS = 'few_pairs: fewer than half of the depth images due paired'


class Mode(Enum):
    """What the streams can give now; a state with hysteresis, not a fact of one frame."""

    RGBD = 'RGBD'
    RGB_ONLY = 'RGB_ONLY'
    DEPTH_ONLY = 'DEPTH_ONLY'
    NO_INPUT = 'NO_INPUT'


@dataclass(frozen=True)
class Transition:
    """One change of mode.

    Attributes:
        mode: The mode from now on.
        previous: The mode until now.
        reason: A word such as `depth_late`, then `: ` and what a person wants to know.
        at_ns: When, in steady time.
    """

    mode: Mode
    previous: Mode
    reason: str
    at_ns: int


@dataclass(frozen=True)
class StreamHealth:
    """What the mode needs to know of one stream.

    Attributes:
        silence_ns: Time since its last image, or None if none ever came.
        is_stale: Whether it is silent for too long.
        is_coming: Whether it is in its rhythm.
        was_well: Whether none of its images was sick for as long as an anchor must come.
        is_steady: Whether it is well and has been coming for long enough to be an anchor for good.
        fault: Why it cannot be relied on although it comes, or None.
        severity: How bad that is; depth that pairs with nothing is less bad than sick RGB.
    """

    silence_ns: int | None
    is_stale: bool
    is_coming: bool
    was_well: bool
    is_steady: bool
    fault: str | None = None
    severity: Severity = Severity.HEALTHY

    def silence(self, name: str) -> str:
        """Return in words how long the stream has been silent."""
        if self.silence_ns is None:
            return f'no {name} image yet'
        return f'no {name} image for {self.silence_ns / 1e9:.2f} s'


class ModeKeeper:
    """Turns the health of both streams into a mode that does not flicker.

    Args:
        recovery_frames: Successive anchors that must have paired to return to RGBD.
        recovery_time_ns: Time they must have paired for.
    """

    def __init__(self, *, recovery_frames: int, recovery_time_ns: int) -> None:
        self._record = PairingRecord()
        self.reconfigure(recovery_frames=recovery_frames, recovery_time_ns=recovery_time_ns)
        self._transitions: deque[Transition] = deque(maxlen=_MOST_TRANSITIONS)
        self.mode = Mode.NO_INPUT
        self.reason = 'starting: no image yet'

    def reconfigure(self, *, recovery_frames: int, recovery_time_ns: int) -> None:
        """Ask for more or less before RGBD from now on."""
        self._record.frames = recovery_frames
        self._record.time_ns = recovery_time_ns

    def note(self, *, paired: bool, now_ns: int, period_ns: int) -> None:
        """Note whether an RGB image that depth owed a partner got one."""
        self._record.note(paired=paired, at_ns=now_ns)
        if self.mode is not Mode.RGBD and self._record.is_failing(now_ns, period_ns):
            self._record.clear()

    def note_sick(self) -> None:
        """Note an image that turned out to be sick: what paired until now was no recovery."""
        if self.mode is not Mode.RGBD:
            self._record.clear()

    def update(self, rgb: StreamHealth, depth: StreamHealth, now_ns: int, period_ns: int) -> None:
        """Change the mode where the streams' health asks for it.

        Args:
            rgb: Health of the RGB stream.
            depth: Health of the depth stream.
            now_ns: Steady time.
            period_ns: Period of depth's arrivals, by which its partners are due.
        """
        suspect = depth.is_stale or depth.fault or rgb.is_stale or rgb.fault
        if suspect and self.mode is not Mode.RGBD:
            self._record.clear()
        mode, reason = self._next(rgb, depth, now_ns, period_ns)
        if mode is not self.mode:
            self._enter(mode, reason, now_ns)
        else:
            self.reason = reason  # Its numbers are those of now.

    def reset(self, now_ns: int, reason: str) -> None:
        """Return to NO_INPUT."""
        self._record.clear()
        if self.mode is not Mode.NO_INPUT:
            self._enter(Mode.NO_INPUT, reason, now_ns)

    def drain(self) -> list[Transition]:
        """Return the changes since the last call, in order."""
        changes = list(self._transitions)
        self._transitions.clear()
        return changes

    def _enter(self, mode: Mode, reason: str, now_ns: int) -> None:
        if self.mode is Mode.RGBD:
            self._record.clear()
        self._transitions.append(Transition(mode, self.mode, reason, now_ns))
        self.mode = mode
        self.reason = reason

    def _next(
        self, rgb: StreamHealth, depth: StreamHealth, now_ns: int, period_ns: int
    ) -> tuple[Mode, str]:
        """Return the mode that follows, and its reason; the present ones if nothing changes."""
        stay = (self.mode, self.reason)
        if rgb.is_stale and depth.is_stale:
            lost = f'no_input: {rgb.silence("rgb")}, {depth.silence("depth")}'
            return stay if self.mode is Mode.NO_INPUT else (Mode.NO_INPUT, lost)
        if depth.is_stale:
            alone = (Mode.RGB_ONLY, f'depth_stale: {depth.silence("depth")}')
            return alone if rgb.is_coming else stay
        if rgb.is_stale:
            alone = (Mode.DEPTH_ONLY, f'rgb_stale: {rgb.silence("rgb")}')
            return alone if depth.is_coming else stay
        if rgb.fault or depth.fault:
            return self._by_fault(rgb, depth) or stay
        if self.mode is Mode.RGBD:
            poor = self._record.is_poor(now_ns, period_ns)
            return (Mode.RGB_ONLY, _FEW_PAIRS) if poor else stay
        return self._recover(rgb, depth, now_ns, period_ns)

    def _by_fault(self, rgb: StreamHealth, depth: StreamHealth) -> tuple[Mode, str] | None:
        """Return the mode while both streams live and one cannot be relied on, or None.

        If that is true of both, it is the mode of the one that is less bad.
        """
        if rgb.fault and depth.severity < rgb.severity:
            return (Mode.DEPTH_ONLY, _both(rgb.fault, depth.fault)) if depth.is_coming else None
        # One RGB image does not end DEPTH_ONLY; a stream of them does.
        is_back = rgb.is_steady if self.mode is Mode.DEPTH_ONLY else rgb.is_coming
        return (Mode.RGB_ONLY, _both(depth.fault, rgb.fault)) if is_back else None

    def _recover(
        self, rgb: StreamHealth, depth: StreamHealth, now_ns: int, period_ns: int
    ) -> tuple[Mode, str]:
        """Return the mode after another than RGBD while both streams live and are well."""
        if self._record.has_recovered(now_ns, period_ns):
            return Mode.RGBD, 'recovered: RGB and depth pair'
        if self.mode is Mode.NO_INPUT and rgb.is_coming:
            return Mode.RGB_ONLY, 'starting: depth is not relied on yet'
        is_pairing = self._record.is_recovering(now_ns, period_ns)
        if self.mode is Mode.DEPTH_ONLY and rgb.is_steady and depth.was_well and not is_pairing:
            return Mode.RGB_ONLY, 'few_pairs: rgb is back, depth does not pair'
        if self.mode is Mode.NO_INPUT or _word(self.reason) in ('starting', 'few_pairs'):
            return self.mode, self.reason
        return self.mode, 'recovering: both streams are back'


def _both(*faults: str | None) -> str:
    return '; '.join(fault for fault in faults if fault)


def _word(reason: str) -> str:
    return reason.partition(':')[0]
