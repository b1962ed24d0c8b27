"""What is kept of every mask: its line in the records, its scores, its time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from zlib import crc32

import cv2

from m3l_core.metrics import confusion_counts, ConfusionMatrix
from m3l_core.replay.observing import FrameRecord, ScoredFrame
from m3l_core.replay.scores import Comparison, finite, TruthScores

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from m3l_core.classes import ClassSet
    from m3l_core.frames import RgbdFrame
    from m3l_core.replay.masks import Masks
    from m3l_core.replay.observing import Observer, Used
    from m3l_core.replay.records import Records
    from m3l_core.replay.timing import Timing
    from m3l_core.stream import Taken, Transition


@dataclass(frozen=True, eq=False)
class Look:
    """A frame before it is labeled, and all that is known of it.

    Attributes:
        index: Number of its mask in the run.
        taken: What the stream gave out.
        taken_ns: When, in the bag's time.
        frame: What the network gets.
        used: Which images are in that.
        sick: What was wrong with images that were left out, by modality.
        problems: Why images could not be decoded.
        truth: `(H, W)` what its labels should be, or None.
        decode_ms: How long it took to get here from the messages.
    """

    index: int
    taken: Taken
    taken_ns: int
    frame: RgbdFrame
    used: Used
    sick: dict[str, str]
    problems: tuple[str, ...]
    truth: NDArray[np.uint8] | None
    decode_ms: float


class Books:
    """Enters masks and changes of mode, one after the other.

    Args:
        classes: Of the network.
        timing: Told when labels come.
        start_ns: When the first image arrives.
        observers: Told of every mask.
        records: Gets a line for every mask and change of mode.
    """

    def __init__(
        self,
        classes: ClassSet,
        timing: Timing,
        start_ns: int,
        observers: Sequence[Observer],
        records: Records,
    ) -> None:
        self._num_classes = len(classes)
        self._timing = timing
        self._start_ns = start_ns
        self._observers = observers
        self._records = records
        self.truth_scores = TruthScores(classes.names)
        self.comparison = Comparison(classes.names)

    def enter_transition(self, transition: Transition) -> None:
        """Record a change of mode."""
        self._records.write(self._timing.on_transition(transition))

    def note_missing_truth(self) -> None:
        """Note a mask that no label image belongs to."""
        self.truth_scores.without += 1

    def enter_masks(self, look: Look, masks: Masks, labeled_ns: int) -> None:
        """Score and record the masks of a frame.

        Args:
            look: The frame.
            masks: What the network says of it.
            labeled_ns: When its labels were ready, in the bag's time.
        """
        record = self._record(look, masks, labeled_ns)
        self._timing.on_label(labeled_ns, record.latency_ms)
        self._records.write(
            record.to_dict(),
            decode_ms=round(look.decode_ms, 3),
            engine_ms=round(masks.engine_ms, 3),
        )
        scored = ScoredFrame(record, look.frame, masks.labels, masks.confidence, look.truth)
        for observer in self._observers:
            observer.on_frame(scored)

    def _record(self, look: Look, masks: Masks, labeled_ns: int) -> FrameRecord:
        taken, gap_ns = look.taken, look.taken.pair_gap_ns
        score = self._score(look, masks)
        return FrameRecord(
            index=look.index,
            stamp_ns=taken.stamp_ns,
            anchor=taken.anchor.name.lower(),
            received_s=self._seconds(taken.receive_ns),
            taken_s=self._seconds(look.taken_ns),
            labeled_s=self._seconds(labeled_ns),
            wait_ms=round(taken.wait_ns / 1e6, 3),
            pair_gap_ms=None if gap_ns is None else round(gap_ns / 1e6, 3),
            mode=taken.mode.value,
            reason=taken.reason,
            used=look.used,
            sick=look.sick,
            problems=look.problems,
            size=look.frame.size,
            labels_crc32=crc32(masks.labels.tobytes()),
            confidence=_mean_probability(masks.confidence),
            miou=None if score is None else finite(score.mean_iou()),
            accuracy=None if score is None else finite(score.pixel_accuracy()),
            agreement=self._compare(look, masks),
        )

    def _score(self, look: Look, masks: Masks) -> ConfusionMatrix | None:
        if look.truth is None:
            return None
        counts = confusion_counts(masks.labels, look.truth, self._num_classes)
        self.truth_scores.add(counts, look.used, look.taken.mode.value)
        return ConfusionMatrix.of(counts)

    def _compare(self, look: Look, masks: Masks) -> dict[str, float] | None:
        if not masks.alone:
            return None
        three: dict[Used, NDArray[np.uint8]] = {'rgbd': masks.labels, **masks.alone}
        same = self.comparison.add(three, look.truth, self._num_classes)
        return {alone: round(same[f'rgbd_{alone}'], 3) for alone in ('rgb', 'depth')}

    def _seconds(self, at_ns: int) -> float:
        return round((at_ns - self._start_ns) / 1e9, 6)


def _mean_probability(confidence: NDArray[np.uint8]) -> float:
    """Return the mean, 0 to 1; OpenCV sums bytes ten times as fast as NumPy."""
    return round(cv2.sumElems(confidence)[0] / confidence.size / 255, 4)
