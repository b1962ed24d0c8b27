"""What the engine does in a run: looks, labels, compares with the truth, and has it recorded."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING
from zlib import crc32

from m3l_core.errors import DataError
from m3l_core.frames import Modality, RgbdFrame
from m3l_core.metrics import confusion_counts, ConfusionMatrix
from m3l_core.replay.arrivals import Arrival
from m3l_core.replay.observing import FrameRecord, ScoredFrame
from m3l_core.replay.pixels import spoiled
from m3l_core.replay.scores import Comparison, finite, TruthScores
from m3l_core.replay.truth import NoTruth, SAME_MOMENT_NS
from m3l_core.stream.seeing import at_size, Seeing
from m3l_core.stream.throttle import Throttle

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from m3l_core.replay.observing import Observer, Used
    from m3l_core.replay.records import Records
    from m3l_core.replay.setting import Replayed
    from m3l_core.replay.timing import Timing
    from m3l_core.replay.truth import Truth
    from m3l_core.runtime import Segmentation
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
        timing: Told when labels come.
        start_ns: When the first image arrives.
        truth: What the labels should be.
        observers: Told of every mask.
        records: Gets a line for every mask and change of mode.
    """

    def __init__(
        self,
        replayed: Replayed,
        stream: Stream,
        timing: Timing,
        start_ns: int,
        truth: Truth,
        observers: Sequence[Observer],
        records: Records,
    ) -> None:
        self._segmenter = replayed.segmenter
        self._options = replayed.options
        self._min_confidence = replayed.parameters.labeling.min_confidence
        offset_s = replayed.parameters.stream.depth_stamp_offset
        self._depth_offset_ns = round(1e9 * offset_s)
        self._throttle = Throttle(replayed.parameters.labeling.max_rate)
        self._stream = stream
        self._timing = timing
        self._start_ns = start_ns
        self._truth = truth
        self._observers = observers
        self._records = records
        self._seeing = Seeing()
        names = replayed.segmenter.engine.card.classes.names
        self.truth_scores = TruthScores(names)
        self.comparison = Comparison(names)
        self.used = dict.fromkeys(_USED.values(), 0)
        self.skipped = 0
        """Frames left out because of `max_rate`."""
        self.unreadable = 0
        self.frames = 0
        self.remarks: dict[str, None] = {}
        """What is odd about the images, once each, in the order in which it was noticed."""

    def on_transition(self, transition: Transition) -> None:
        """Record a change of mode."""
        self._records.write(self._timing.on_transition(transition))

    def on_taken(self, taken: Taken, now_ns: int) -> int:
        """Label a frame; return for how many nanoseconds of the bag the engine is busy."""
        if not self._throttle.admits(taken.receive_ns):
            self.skipped += 1
            return 0
        start = perf_counter()
        seen = self._look(taken)
        decode_ms = 1e3 * (perf_counter() - start)
        for modality, finding in seen.findings.items():
            self._stream.note_content(modality, finding, now_ns=now_ns)
        self._note(seen)
        if seen.frame is None:
            return 0
        if self._options.engine_ms == 'measured' and not self.frames:
            self._segmenter.segment(seen.frame)  # the first one takes long, and a node had it
        segmentation = self._segmenter.segment(seen.frame)
        measured = {
            'stamp_ns': taken.stamp_ns,
            'decode_ms': round(decode_ms, 3),
            'engine_ms': round(segmentation.engine_ms, 3),
        }
        self._records.write_times(measured)
        busy_ms = self._options.engine_ms
        if busy_ms == 'measured':
            busy_ms = decode_ms + segmentation.engine_ms
        busy_ns = round(1e6 * busy_ms)
        self._record(taken, seen.frame, seen, segmentation, now_ns, now_ns + busy_ns)
        return busy_ns

    def _look(self, taken: Taken) -> Seen:
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

    def _record(
        self,
        taken: Taken,
        frame: RgbdFrame,
        seen: Seen,
        segmentation: Segmentation,
        now_ns: int,
        labeled_ns: int,
    ) -> None:
        labels = segmentation.sure_labels(self._min_confidence)
        truth = self._truth_of(taken, labels)
        used = _USED[frame.rgb is not None, frame.depth_m is not None]
        mode = taken.mode.value
        score = self._score(labels, truth, used, mode)
        record = FrameRecord(
            index=self.frames,
            stamp_ns=taken.stamp_ns,
            anchor=taken.anchor.name.lower(),
            received_s=self._seconds(taken.receive_ns),
            taken_s=self._seconds(now_ns),
            labeled_s=self._seconds(labeled_ns),
            wait_ms=round(taken.wait_ns / 1e6, 3),
            pair_gap_ms=None if taken.pair_gap_ns is None else round(taken.pair_gap_ns / 1e6, 3),
            mode=mode,
            reason=taken.reason,
            used=used,
            sick={m.name.lower(): f.fault for m, f in seen.findings.items() if f.fault},
            problems=seen.problems,
            size=frame.size,
            labels_crc32=crc32(labels.tobytes()),
            confidence=round(float(segmentation.confidence.mean()) / 255, 4),
            miou=None if score is None else finite(score.mean_iou()),
            accuracy=None if score is None else finite(score.pixel_accuracy()),
            agreement=self._compare(frame, labels, truth, used),
        )
        self.frames += 1
        self.used[used] += 1
        self._timing.on_label(labeled_ns, record.latency_ms)
        self._records.write(record.to_dict())
        scored = ScoredFrame(record, frame, labels, segmentation.confidence, truth)
        for observer in self._observers:
            observer.on_frame(scored)

    def _truth_of(self, taken: Taken, labels: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
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
            self.truth_scores.without += 1
            return None
        if truth.shape != labels.shape:
            height, width = labels.shape
            raise DataError(
                f'label image at {at_ns} ns: expected {width}x{height} pixels as the '
                f'camera image has, got {truth.shape[1]}x{truth.shape[0]}. '
                'Give label images of the size of the camera images.'
            )
        return truth

    def _score(
        self, labels: NDArray[np.uint8], truth: NDArray[np.uint8] | None, used: str, mode: str
    ) -> ConfusionMatrix | None:
        if truth is None:
            return None
        counts = confusion_counts(labels, truth, self._num_classes)
        self.truth_scores.add(counts, used, mode)
        return ConfusionMatrix.of(counts)

    def _compare(
        self,
        frame: RgbdFrame,
        labels: NDArray[np.uint8],
        truth: NDArray[np.uint8] | None,
        used: Used,
    ) -> dict[str, float] | None:
        """Label a pair from either image alone too, if it is its turn."""
        every = self._options.compare_every
        if used != 'rgbd' or not every or self.used[used] % every:
            return None
        masks: dict[Used, NDArray[np.uint8]] = {
            'rgbd': labels,
            'rgb': self._labels(RgbdFrame(frame.rgb, None)),
            'depth': self._labels(at_size(RgbdFrame(None, frame.depth_m), frame.size)),
        }
        same = self.comparison.add(masks, truth, self._num_classes)
        return {alone: round(same[f'rgbd_{alone}'], 3) for alone in ('rgb', 'depth')}

    def _labels(self, frame: RgbdFrame) -> NDArray[np.uint8]:
        return self._segmenter.segment(frame).sure_labels(self._min_confidence)

    @property
    def _num_classes(self) -> int:
        return len(self._segmenter.engine.card.classes)

    def _seconds(self, at_ns: int) -> float:
        return round((at_ns - self._start_ns) / 1e9, 6)


def _arrival(image: object) -> Arrival:
    """Return an image of the stream as what was put in."""
    assert isinstance(image, Arrival)  # noqa: S101 - nothing else is added in a replay
    return image
