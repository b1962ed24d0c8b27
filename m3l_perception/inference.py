"""The one thread that loads the network and labels what the inbox offers.

    BUILDING --loaded and warm--> READY --engine error--> FAILED
        |                                                   ^
        +------------------ cannot be loaded ---------------+

A failure of one image changes nothing; it is counted and told. An engine that labels nothing any
more has failed, whatever it raises.
"""

from __future__ import annotations

from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
import math
from threading import Lock, Thread
from time import perf_counter
from typing import Protocol, TYPE_CHECKING

import numpy as np

from m3l_core.errors import EngineError, FrameError, M3lError
from m3l_core.frames import RgbdFrame
from m3l_core.stream.seeing import Seeing
from m3l_perception.cv_bridge_input import cv_bridge_decoder

if TYPE_CHECKING:
    from collections.abc import Callable

    from m3l_core.runtime import Segmentation, Segmenter
    from m3l_core.stream import Taken
    from m3l_core.stream.seeing import Seen
    from m3l_perception.inbox import Inbox

_REMEMBERED_FRAMES = 300
"""How many engine times the percentiles look back."""

_LOOK_EVERY_S = 0.2
"""How often frames that nobody wants labels of are looked at all the same."""

_DOUBT_AFTER_S = 5.0
"""How long nothing but failures lets the engine go without being tried on an image of ours."""

_LONGEST = 500
_MOST_KINDS = 32
"""Length and number of what is told about images, whoever wrote what is in them."""

_LOADING = Lock()
"""One network is loaded at a time, however often a node is configured and cleaned up."""


class EngineState(Enum):
    """How far the network is."""

    BUILDING = 'BUILDING'
    READY = 'READY'
    FAILED = 'FAILED'


@dataclass(frozen=True, eq=False)
class Labeled:
    """A frame that was labeled, and all that is to be told about it."""

    taken: Taken
    seen: Seen
    segmentation: Segmentation
    decode_ms: float


class Listener(Protocol):
    """Who is told what the thread does; called on that thread."""

    def on_ready(self, segmenter: Segmenter) -> None:
        """The network is loaded and has run once."""

    def why_skip(self, taken: Taken) -> str:
        """Return why a frame is not worth labeling now, in a word; '' if it is."""

    def on_labeled(self, labeled: Labeled) -> None:
        """A frame has labels."""

    def on_bad_frame(self, problem: str) -> None:
        """An image, or all of a frame, could not be used."""

    def on_failed(self, problem: str, *, was_ready: bool) -> None:
        """The thread has ended; nothing will be labeled any more."""


class Inference:
    """Runs the thread, and says how it fares.

    Args:
        load: Opens the network; takes its time, and raises M3lError.
        inbox: Where frames come from; closing it ends the thread.
        listener: Who is told.
    """

    def __init__(self, load: Callable[[], Segmenter], inbox: Inbox, listener: Listener) -> None:
        self._load = load
        self._inbox = inbox
        self._listener = listener
        self._seeing = Seeing(cv_bridge_decoder())
        self._looked_s = -math.inf
        self._failing_since_s: float | None = None
        self.state = EngineState.BUILDING
        self.problem = ''
        self.segmenter: Segmenter | None = None
        self.engine_ms: deque[float] = deque(maxlen=_REMEMBERED_FRAMES)
        self.labeled = 0
        self.skipped: Counter[str] = Counter()
        """Frames that were not worth labeling, by reason."""
        self.bad_frames: Counter[str] = Counter()
        self.last_problem = ''
        """What was wrong with the last image that could not be used."""
        self.warning = ''
        """What is odd about the images that were looked at last although they are used."""
        # A daemon: loading cannot be interrupted, and must not keep a process from ending.
        self._thread = Thread(target=self._run, name='m3l-inference', daemon=True)

    def start(self) -> None:
        """Begin to load the network."""
        self._thread.start()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread after its inbox was closed; False if it is still busy."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            with _LOADING:
                if self._inbox.is_closed:
                    return
                self.segmenter = self._load()
                _warm_up(self.segmenter)
            self.state = EngineState.READY
            if not self._inbox.is_closed:
                self._listener.on_ready(self.segmenter)
            self._label_frames(self.segmenter)
        except Exception as error:  # Whatever it is, nobody else would ever hear of it.
            self._fail(error)
        finally:
            if self.segmenter is not None:
                with suppress(EngineError):  # of a device that is gone, as was told already
                    self.segmenter.engine.close()

    def _fail(self, error: Exception) -> None:
        was_ready = self.state is EngineState.READY
        self.problem = str(error) if isinstance(error, M3lError) else repr(error)
        self.state = EngineState.FAILED  # last: whoever sees it looks for the problem
        if not self._inbox.is_closed:
            self._listener.on_failed(self.problem, was_ready=was_ready)

    def _label_frames(self, segmenter: Segmenter) -> None:
        while (taken := self._inbox.take()) is not None:
            if taken.is_probe:
                self._look(taken)
                continue
            reason = self._listener.why_skip(taken)
            if reason:
                self.skipped[reason] += 1
                if perf_counter() - self._looked_s > _LOOK_EVERY_S:
                    self._look(taken)  # the mode must follow although nobody wants labels
                continue
            labeled = self._label(segmenter, taken)
            if labeled is not None and not self._inbox.is_closed:
                self._tell(labeled)

    def _tell(self, labeled: Labeled) -> None:
        """Hand labels on; a header or calibration that cannot be published ends nothing."""
        try:
            self._listener.on_labeled(labeled)
        except Exception as error:
            self._count_bad(f'labels: {error!r}.')

    def _label(self, segmenter: Segmenter, taken: Taken) -> Labeled | None:
        """Return the labels of what was taken, or None if its images are of no use."""
        start = perf_counter()
        seen = self._look(taken)
        decode_ms = 1e3 * (perf_counter() - start)
        if seen is None or seen.frame is None:
            return None
        try:
            segmentation = segmenter.segment(seen.frame)
        except EngineError:
            raise
        except Exception as error:  # Nothing that a message contains may end the node.
            self._count_bad(f'frame: {error!r}.')
            self._doubt(segmenter)
            return None
        self._failing_since_s = None
        self.labeled += 1
        self.engine_ms.append(segmentation.engine_ms)
        return Labeled(taken, seen, segmentation, decode_ms)

    def _doubt(self, segmenter: Segmenter) -> None:
        """Find out whether images or the engine are to blame, once it has failed for a while.

        Raises:
            EngineError: If the engine labels a black image neither.
        """
        now_s = perf_counter()
        since_s = self._failing_since_s = self._failing_since_s or now_s
        if now_s - since_s < _DOUBT_AFTER_S:
            return
        self._failing_since_s = None
        try:
            _warm_up(segmenter)
        except EngineError:
            raise
        except Exception as error:
            raise EngineError(
                f'engine: expected labels, got {error!r} for every image, a black one too. '
                'See to its device and driver.'
            ) from error

    def _look(self, taken: Taken) -> Seen | None:
        """Decode what was taken and note how healthy it is; None if that cannot be done."""
        self._looked_s = perf_counter()
        try:
            seen = self._seeing.look(taken.rgb, taken.depth, receive_ns=taken.receive_ns)
        except Exception as error:  # Nothing that a message contains may end the node.
            self._count_bad(str(error) if isinstance(error, FrameError) else f'frame: {error!r}.')
            return None
        self.warning = seen.warning
        self._inbox.note_content(taken, seen.findings)
        for problem in seen.problems:
            self._count_bad(problem)
        return seen

    def _count_bad(self, problem: str) -> None:
        problem = problem if len(problem) <= _LONGEST else f'{problem[:_LONGEST]} ...'
        kind = problem.split(':')[0]
        known = kind in self.bad_frames or len(self.bad_frames) < _MOST_KINDS
        self.bad_frames[kind if known else 'other'] += 1
        self.last_problem = problem
        self._listener.on_bad_frame(problem)


def _warm_up(segmenter: Segmenter) -> None:
    """Label one black frame: the first run of an engine is slow."""
    height, width = segmenter.engine.card.image_size
    frame = RgbdFrame(
        np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.float32)
    )
    segmenter.segment(frame)
