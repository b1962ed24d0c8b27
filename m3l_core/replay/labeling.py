"""What happens to a frame that the clock gives out: it is looked at, labeled, and entered.

Looking (decoding, health, truth) goes frame by frame, for what is seen decides what the stream
gives out next. What the network says decides nothing, so it may come a few frames later: while
the engine labels some frames, the next ones are looked at. All are entered in their order.
"""

from __future__ import annotations

from collections import deque
from time import perf_counter
from typing import TYPE_CHECKING

from m3l_core.errors import DataError
from m3l_core.frames import Modality
from m3l_core.replay.arrivals import Arrival
from m3l_core.replay.bookkeeping import Look
from m3l_core.replay.pixels import spoiled
from m3l_core.replay.truth import NoTruth, SAME_MOMENT_NS
from m3l_core.stream.seeing import Seeing
from m3l_core.stream.throttle import Throttle

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    import numpy as np
    from numpy.typing import NDArray

    from m3l_core.frames import RgbdFrame
    from m3l_core.replay.bookkeeping import Books
    from m3l_core.replay.masks import MaskMaker, Masks
    from m3l_core.replay.observing import Used
    from m3l_core.replay.setting import Replayed
    from m3l_core.replay.truth import Truth
    from m3l_core.stream import Stream, Taken, Transition
    from m3l_core.stream.seeing import Seen

_USED: dict[tuple[bool, bool], Used] = {
    (True, True): 'rgbd', (True, False): 'rgb', (False, True): 'depth'
}  # fmt: skip

_MOST_REMARKS = 20


class Labeler:
    """Labels what the clock gives it, as the node's inference thread does.

    Args:
        replayed: Engine and settings.
        stream: Told what images turned out to be.
        truth: What the labels should be.
        maker: Labels frames.
        books: Takes in masks and changes of mode.
    """

    def __init__(
        self, replayed: Replayed, stream: Stream, truth: Truth, maker: MaskMaker, books: Books
    ) -> None:
        parameters = replayed.parameters
        self._options = replayed.options
        self._depth_offset_ns = round(1e9 * parameters.stream.depth_stamp_offset)
        self._throttle = Throttle(parameters.labeling.max_rate)
        # Enough that no stream of the engine waits for this thread, or this thread for one.
        self._most_ahead = 2 * replayed.segmenter.engine.streams
        self._stream = stream
        self._truth = truth
        self._maker = maker
        self._books = books
        self._seeing = Seeing()
        self._to_enter: deque[Callable[[], None]] = deque()
        self.used = dict.fromkeys(_USED.values(), 0)
        self.skipped = 0
        """Frames left out because of `max_rate`."""
        self.unreadable = 0
        self.remarks: dict[str, None] = {}
        """What is odd about the images, once each, in the order in which it was noticed."""

    @property
    def frames(self) -> int:
        """Number of masks."""
        return sum(self.used.values())

    def on_transition(self, transition: Transition) -> None:
        """Record a change of mode."""
        self._enter_later(lambda: self._books.enter_transition(transition))

    def on_taken(self, taken: Taken, now_ns: int) -> int:
        """Label a frame; return for how many nanoseconds of the bag the engine is busy."""
        if not taken.is_probe and not self._throttle.admits(taken.receive_ns):
            self.skipped += 1
            return 0
        look = self._looked(taken, now_ns)
        if look is None:
            return 0
        every = self._options.compare_every
        compares = look.used == 'rgbd' and every and self.used['rgbd'] % every == 0
        self.used[look.used] += 1
        if self._options.engine_ms == 'measured' and not look.index:
            self._maker.start(look.frame).result()  # the first one takes long, and a node had it
        masks = self._maker.start(look.frame, with_alone=bool(compares))
        busy_ns = self._busy_ns(look, masks)
        self._enter_later(lambda: self._books.enter_masks(look, masks.result(), now_ns + busy_ns))
        return busy_ns

    def finish(self) -> None:
        """Enter what is still being labeled."""
        while self._to_enter:
            self._to_enter.popleft()()

    def _enter_later(self, enter: Callable[[], None]) -> None:
        self._to_enter.append(enter)
        while len(self._to_enter) > self._most_ahead:
            self._to_enter.popleft()()

    def _busy_ns(self, look: Look, masks: Future[Masks]) -> int:
        busy_ms = self._options.engine_ms
        if busy_ms == 'measured':
            busy_ms = look.decode_ms + masks.result().engine_ms
        return round(1e6 * busy_ms)

    def _looked(self, taken: Taken, now_ns: int) -> Look | None:
        """Return a frame as the network gets it; None if it is not to be labeled."""
        start = perf_counter()
        seen = self._seen(taken)
        decode_ms = 1e3 * (perf_counter() - start)
        for modality, finding in seen.findings.items():
            self._stream.note_content(modality, finding, now_ns=now_ns)
        self._note(seen)
        if seen.frame is None or taken.is_probe:
            return None
        return Look(
            index=self.frames,
            taken=taken,
            taken_ns=now_ns,
            frame=seen.frame,
            used=_USED[seen.frame.rgb is not None, seen.frame.depth_m is not None],
            sick={m.name.lower(): f.fault for m, f in seen.findings.items() if f.fault},
            problems=seen.problems,
            truth=self._truth_of(taken, seen.frame),
            decode_ms=decode_ms,
        )

    def _seen(self, taken: Taken) -> Seen:
        rgb, depth = taken.rgb, taken.depth
        spoils = {
            modality: () if image is None else _arrival(image).spoils
            for modality, image in ((Modality.RGB, rgb), (Modality.DEPTH, depth))
        }
        return self._seeing.look(
            None if rgb is None else _arrival(rgb).message,
            None if depth is None else _arrival(depth).message,
            receive_ns=taken.receive_ns,
            change=(lambda frame: spoiled(frame, spoils)) if any(spoils.values()) else None,
        )

    def _note(self, seen: Seen) -> None:
        self.unreadable += len(seen.problems)
        for text in (*seen.problems, *seen.doubts):
            if len(self.remarks) < _MOST_REMARKS:
                self.remarks[text] = None

    def _truth_of(self, taken: Taken, frame: RgbdFrame) -> NDArray[np.uint8] | None:
        """Return what a mask should be, at its size, or None if that is not known."""
        if isinstance(self._truth, NoTruth) or taken.reason == 'fallback':
            return None  # the fallback's camera sees something else
        is_rgb = taken.anchor is Modality.RGB
        anchor = _arrival(taken.rgb if is_rgb else taken.depth)
        at_ns, within_ns = anchor.taken_ns, SAME_MOMENT_NS
        if not is_rgb:  # Label images have the stamps of RGB, which depth is a little off.
            within_ns = max(within_ns, self._stream.statistics(taken.receive_ns).gap_ns)
            at_ns += self._depth_offset_ns
        truth = self._truth.at(at_ns, within_ns)
        if truth is None:
            self._books.note_missing_truth()
            return None
        if truth.shape != frame.size:
            height, width = frame.size
            raise DataError(
                f'label image at {at_ns} ns: expected {width}x{height} pixels as the '
                f'camera image has, got {truth.shape[1]}x{truth.shape[0]}. '
                'Give label images of the size of the camera images.'
            )
        return truth


def _arrival(image: object) -> Arrival:
    """Return an image of the stream as what was put in."""
    assert isinstance(image, Arrival)  # noqa: S101 - nothing else is added in a replay
    return image
