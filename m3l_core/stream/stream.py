"""The front of the stream: images in, frames to label and changes of mode out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from m3l_core.frames import Modality
from m3l_core.stream.coupling import seconds_ns
from m3l_core.stream.handover import Handover
from m3l_core.stream.ledger import Ledger
from m3l_core.stream.mode import Mode, ModeKeeper, Transition
from m3l_core.stream.pairing import Pairing
from m3l_core.stream.source import Arrival, Order
from m3l_core.stream.stamps import PairingClock
from m3l_core.stream.taken import Taken
from m3l_core.stream.takeover import Takeover
from m3l_core.stream.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from m3l_core.stream.config import StreamConfig
    from m3l_core.stream.health import Finding
    from m3l_core.stream.pairing import Resolved
    from m3l_core.stream.rhythm import Rhythm
    from m3l_core.stream.source import Source
    from m3l_core.stream.taken import StreamStatistics

_USUAL_PERIOD_NS = 33_333_333
_CLOCK_JUMP_NS = 1_000_000_000

_LEAP_NS = 1_500_000_000
"""Whoever calls comes for a verdict when it is due; a node with a slow engine, once a second."""


class Stream:
    """Pairs RGB and depth images and says which of the streams can be relied on.

    It starts no thread and reads no clock: `now_ns` is steady time (ROS time in simulation), and
    whoever calls holds one lock around every call. It keeps images unseen and a bounded number of
    them. `m3l_core.stream.mode` draws its states.
    """

    def __init__(self, config: StreamConfig) -> None:
        self._config = config
        self._clock = PairingClock(seconds_ns(config.depth_stamp_offset))
        self._watch = Watch(config)
        self._modes = ModeKeeper(
            recovery_frames=config.recovery_frames,
            recovery_time_ns=seconds_ns(config.recovery_time),
        )
        self._handover = Handover()
        self._ledger = Ledger(self._watch)
        self._begin()

    def _begin(self) -> None:
        """Take the state of a stream that has seen nothing."""
        self._now_ns: int | None = None
        self._pairing = Pairing()
        self._takeover = Takeover()
        self._clock.restart()

    @property
    def mode(self) -> Mode:
        """The mode now."""
        return self._modes.mode

    @property
    def reason(self) -> str:
        """Why the mode is what it is: a word, then what a person wants to know."""
        return self._modes.reason

    def reconfigure(self, config: StreamConfig) -> None:
        """Go on with other settings: mode, images held, counts and what was learned stay."""
        before_ns, self._config = self._clock.depth_offset_ns, config
        self._clock.depth_offset_ns = seconds_ns(config.depth_stamp_offset)
        self._watch.reconfigure(config)
        self._modes.reconfigure(
            recovery_frames=config.recovery_frames,
            recovery_time_ns=seconds_ns(config.recovery_time),
        )
        if (by_ns := self._clock.depth_offset_ns - before_ns) and not self._clock.is_by_arrival:
            self._watch.depth.shift_stamps(by_ns)
            self._watch.coupling.skew.restart()
            self._pairing.shift_partners(by_ns)

    def add(self, modality: Modality, image: object, *, stamp_ns: int, now_ns: int) -> None:
        """Take in an image that arrived now.

        Args:
            modality: The stream it belongs to.
            image: The image, never looked into.
            stamp_ns: Its header stamp; 0 pairs it by the time it arrived.
            now_ns: Steady time.
        """
        now = self._steady(now_ns)
        source = self._watch.source(modality)
        source.zero_stamps += stamp_ns == 0
        time_ns = self._pair_time(modality, stamp_ns, now)
        if not self._accept(source, time_ns, now, on_jump=lambda: self._forget(modality, now)):
            return
        arrival = Arrival(modality, image, stamp_ns, time_ns, now)
        if modality is Modality.RGB:
            self._takeover.end()
            self._watch.coupling.skew.saw_rgb(time_ns, now)
            self._pairing.add_anchor(arrival)
            self._settle(now)
        else:
            rgb_ns = self._watch.rgb.period.stamp_ns
            self._watch.coupling.skew.saw_depth(time_ns, now, rgb_ns)
            self._pairing.add_partner(arrival)
            self._settle(now, late=arrival)

    def add_fallback(self, image: object, *, stamp_ns: int, now_ns: int) -> None:
        """Take in depth that is not registered to RGB and arrived now.

        It pairs with nothing; the newest is labeled alone while RGB and depth are both missing.

        Args:
            image: The image, never looked into.
            stamp_ns: Its header stamp.
            now_ns: Steady time.
        """
        now = self._steady(now_ns)
        source = self._watch.fallback
        source.zero_stamps += stamp_ns == 0
        time_ns = stamp_ns or now
        if not self._accept(source, time_ns, now, on_jump=source.forget_stamps):
            return
        self._ledger.drop_images([self._takeover.fallback], 'not_needed')
        arrival = Arrival(Modality.DEPTH, image, stamp_ns, time_ns, now, is_fallback=True)
        self._takeover.fallback = arrival
        self._settle(now)

    def note_content(
        self, modality: Modality, finding: Finding, *, now_ns: int, is_fallback: bool = False
    ) -> None:
        """Note what an image that was taken turned out to be.

        Five sick ones in a row count against the stream; a healthy one ends that.

        Args:
            modality: What it shows.
            finding: What it turned out to be.
            now_ns: Steady time.
            is_fallback: Whether it is depth that is not registered to RGB.
        """
        now = self._steady(now_ns)
        source = self._watch.fallback if is_fallback else self._watch.source(modality)
        source.content.note(finding, now)
        if finding.fault and not is_fallback:
            self._modes.note_sick()
        self._settle(now)

    def take(self, now_ns: int) -> Taken | None:
        """Return the frame that a free engine is to label now, or None.

        That is the newest pair, else the newest image alone that waits no longer. While the mode
        is RGBD an image alone goes before a pair only if it is more than a period newer. A probe
        is not to be labeled: what it shows is noted, and the next frame taken.
        """
        now = self._steady(now_ns)
        self._settle(now)
        probe = self._takeover.take_probe(now)
        if probe is not None:
            return Taken.of(probe, self.mode)
        resolved, superseded = self._handover.take(
            rgbd=self.mode is Mode.RGBD,
            period_ns=self._watch.rgb.period.stamp_ns or _USUAL_PERIOD_NS,
        )
        self._ledger.drop(superseded, 'superseded')
        return None if resolved is None else Taken.of(resolved, self.mode)

    def wake_at(self, now_ns: int) -> int | None:
        """Return when `take` or `tick` may say something new without another image.

        None means only another image can bring something new.
        """
        if self._handover:
            return now_ns
        settled_ns = self._now_ns
        if settled_ns is None:
            return None
        times = self._watch.verdict_times_ns()
        deadline_ns = self._pairing.deadline_ns(self._watch.rhythm(settled_ns))
        times += [at for at in (deadline_ns, self._takeover.probe_at_ns) if at is not None]
        ahead = [time_ns for time_ns in times if time_ns > settled_ns]
        return max(min(ahead), now_ns) if ahead else None

    def tick(self, now_ns: int) -> list[Transition]:
        """Return the changes of mode since the last call, in order."""
        self._settle(self._steady(now_ns))
        return self._modes.drain()

    def reset(self, reason: str = 'clock_jump: the clock was set back') -> None:
        """Forget everything but the counts, as after a backward jump of the clock.

        Args:
            reason: Why, a word and then what a person wants to know.
        """
        word = reason.partition(':')[0]
        now = self._now_ns or 0
        self._ledger.drop(self._pairing.flush(now, self._watch.rhythm(now)), word)
        self._ledger.drop(self._handover.clear(), word)
        self._ledger.drop_images(self._pairing.forget_partners(), word)
        self._ledger.drop_images([self._takeover.fallback, self._takeover.probe], word)
        self._watch.restart()
        self._modes.reset(now, reason)
        self._begin()

    def statistics(self, now_ns: int) -> StreamStatistics:
        """Return the counts so far, and what was learned."""
        return self._ledger.statistics(now_ns)

    def _steady(self, now_ns: int) -> int:
        """Return a time that does not run backwards.

        A clock that was set back resets all; one that was set forward tells of no silence.
        """
        if self._now_ns is not None:
            if now_ns < self._now_ns - _CLOCK_JUMP_NS:
                self.reset()
            elif self._has_leapt(self._now_ns, now_ns):
                self._watch.leap(now_ns - self._now_ns)
        # Two threads may read the clock in one order and come here in the other.
        self._now_ns = now_ns if self._now_ns is None else max(self._now_ns, now_ns)
        return self._now_ns

    def _has_leapt(self, before_ns: int, now_ns: int) -> bool:
        """Return whether whoever calls comes far too late for a verdict that was due meanwhile.

        Then a simulated clock was set forward, or the process slept, as the cameras did not.
        """
        due = [at for at in self._watch.verdict_times_ns() if at > before_ns]
        return bool(due) and now_ns - min(due) > _LEAP_NS

    def _accept(
        self, source: Source, time_ns: int, now_ns: int, *, on_jump: Callable[[], None]
    ) -> bool:
        """Note an image of a source; False if it is behind one that came before."""
        source.hear(now_ns)
        order = source.order(time_ns)
        if order is Order.BEHIND:
            source.drops['out_of_order'] += 1
            self._settle(now_ns)
            return False
        if order is Order.JUMPED_BACK:
            on_jump()
        if self._watch.started_ns is None:
            self._watch.started_ns = now_ns
        source.accept(time_ns, now_ns)
        return True

    def _pair_time(self, modality: Modality, stamp_ns: int, now_ns: int) -> int:
        """Return what an image pairs by; both streams begin anew where that changes."""
        before = self._clock.is_by_arrival
        time_ns = self._clock.time_ns(modality, stamp_ns, now_ns)
        if self._clock.is_by_arrival is not before:
            for stream in Modality:
                self._forget(stream, now_ns)
        return time_ns

    def _forget(self, modality: Modality, now_ns: int) -> None:
        """Let a stream's stamps begin anew; RGB images that waited go out as they are."""
        self._watch.source(modality).forget_stamps()
        self._watch.coupling.skew.restart()
        if modality is Modality.DEPTH:
            self._ledger.drop_images(self._pairing.forget_partners(), 'clock_jump')
            return
        flushed = self._pairing.flush(now_ns, self._watch.rhythm(now_ns))
        self._ledger.lone += len(flushed)
        self._offer(flushed)

    def _settle(self, now_ns: int, late: Arrival | None = None) -> None:
        """Draw every conclusion that can be drawn by now.

        Args:
            now_ns: Steady time.
            late: The depth image that just arrived, which teaches its lag if it is too late.
        """
        rhythm = self._watch.rhythm(now_ns)
        batch = self._pairing.resolve(now_ns, rhythm)
        for resolved in batch:
            self._count(resolved, now_ns)
        lag_ns = None if late is None else self._pairing.lag_of_late(late, rhythm)
        # What was due while depth hung tells for how long, and not how late depth comes.
        if lag_ns is not None and now_ns - lag_ns >= self._watch.depth.back_ns:
            self._watch.coupling.met(lag_ns, now_ns)
        leads = self._depth_leads(now_ns, rhythm)
        batch = self._without_probe(batch, leads=leads)
        batch = self._without_skipped(batch, rhythm) + self._depth_alone(now_ns, leads=leads)
        useless, surplus = self._pairing.drop_useless(rhythm)
        self._ledger.drop_images(useless, 'unpaired')
        self._ledger.drop_images(surplus, 'overflow')
        rgb, depth = self._watch.health(now_ns)
        self._modes.update(rgb, depth, now_ns, self._watch.depth.period.arrival_ns or 0)
        self._offer(batch)

    def _count(self, resolved: Resolved, now_ns: int) -> None:
        """Let an anchor that waits no longer teach the lag and the mode."""
        if resolved.partner is None:
            self._ledger.lone += 1
        else:
            self._ledger.pairs += 1
            lag_ns = resolved.partner.arrival_ns - resolved.anchor.arrival_ns
            self._watch.coupling.met(lag_ns, now_ns)
        if resolved.was_due:
            self._modes.note(
                paired=resolved.partner is not None,
                now_ns=now_ns,
                period_ns=self._watch.depth.period.arrival_ns or 0,
            )

    def _without_skipped(self, batch: list[Resolved], rhythm: Rhythm) -> list[Resolved]:
        """Leave out images between two of a slower depth, unless depth owes one and failed."""
        skips = self._config.unpaired == 'skip' and self.mode is Mode.RGBD
        if self.mode is Mode.DEPTH_ONLY and self._watch.rgb.content.fault:
            skips = True  # Between two images of a healthy depth a sick one has nothing to add.
        if not skips or not rhythm.depth_is_slower:
            return batch
        self._ledger.drop([r for r in batch if r.partner is None and not r.was_due], 'skipped')
        return [r for r in batch if r.partner is not None or r.was_due]

    def _depth_leads(self, now_ns: int, rhythm: Rhythm) -> bool:
        """Return whether depth is the anchor although RGB comes: that is sick, and never pairs."""
        return (
            self.mode is Mode.DEPTH_ONLY
            and rhythm.vain in ('unsynchronised', 'depth_late')
            and self._watch.rgb_is_sick(now_ns)
            and self._watch.depth.is_coming(now_ns)
        )

    def _without_probe(self, batch: list[Resolved], *, leads: bool) -> list[Resolved]:
        """Hold back RGB images, of which one is looked at now and then, while depth leads."""
        if leads:
            batch, dropped = self._takeover.hold_probe(batch)
            self._ledger.drop_images(dropped, 'not_needed')
        else:
            self._ledger.drop_images([self._takeover.probe], 'not_needed')
            self._takeover.probe = None
        return batch

    def _depth_alone(self, now_ns: int, *, leads: bool) -> list[Resolved]:
        """Return the newest depth image as an anchor, if RGB is gone and takes no partner."""
        alone, older = self._takeover.frames(self._watch, self._pairing, now_ns, leads=leads)
        self._ledger.drop_images(older, 'superseded')
        self._ledger.lone += len(alone)
        return alone

    def _offer(self, batch: list[Resolved]) -> None:
        self._ledger.drop(self._handover.offer(batch), 'superseded')
