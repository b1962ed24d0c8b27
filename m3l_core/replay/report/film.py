"""A run as a film: what came in, what came out, and how old it was."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, TYPE_CHECKING

import cv2
import numpy as np

from m3l_core.errors import M3lError
from m3l_core.replay.report.pictures import row, write

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from m3l_core.classes import ClassSet
    from m3l_core.replay.observing import FrameRecord, ScoredFrame

_CODECS = (('overlay.mp4', 'mp4v'), ('overlay.avi', 'MJPG'))
"""MPEG-4 is in every OpenCV with FFmpeg and plays in every player, if not in browsers; Motion
JPEG needs no FFmpeg at all. H.264 is in few: its license keeps it out of OpenCV's wheels."""

_HEIGHT = 240
_BAR = 22
_FIRST = 8
"""Masks whose distance in time decides the pictures per second."""
_SLOWEST_HZ, _FASTEST_HZ = 5.0, 30.0
_LONGEST_HOLD_S = 5.0
"""A picture is held while no labels come, but an hour without any is not filmed."""
_OLD_S = 0.3

_INK = {'RGBD': (120, 220, 160), 'RGB_ONLY': (255, 190, 90), 'DEPTH_ONLY': (200, 160, 255)}
_ALARM = (255, 110, 110)


class Film:
    """Films a run in the time of its bag: while no labels come, the last ones stand still.

    Args:
        folder: Of the run; `overlay.mp4` goes into it, or `overlay.avi` without FFmpeg.
        classes: Colors of the labels.
    """

    def __init__(self, folder: Path, classes: ClassSet) -> None:
        self._folder = folder
        self._classes = classes
        self._waiting: list[tuple[FrameRecord, NDArray[np.uint8]]] = []
        self._writer: Any = None
        self._size = (0, 0)
        self._step_s = 0.0
        self._shown: tuple[FrameRecord, NDArray[np.uint8]] | None = None
        self._next_s = 0.0

    def on_frame(self, scored: ScoredFrame) -> None:
        """Film a mask."""
        frame, truth = scored.frame, scored.truth
        picture = row(frame, scored.labels, truth, self._classes, _HEIGHT)
        self._waiting.append((scored.record, picture))
        if self._writer is not None or len(self._waiting) == _FIRST:
            self._drain()

    def close(self, summary: dict[str, Any]) -> None:  # noqa: ARG002 - an Observer's signature
        """Finish the file."""
        if self._waiting:
            self._drain()
        if self._shown is not None:
            self._write(*self._shown, 0.0)
        if self._writer is not None:
            self._writer.release()

    def _drain(self) -> None:
        if self._writer is None:
            self._open()
        for record, picture in self._waiting:
            self._hold_until(record.labeled_s)
            self._shown = (record, picture)
        self._waiting.clear()

    def _open(self) -> None:
        times = [record.labeled_s for record, _ in self._waiting]
        steps = [after - before for before, after in pairwise(times) if after > before]
        rate_hz = 1 / float(np.median(steps)) if steps else 10.0
        rate_hz = round(min(max(rate_hz, _SLOWEST_HZ), _FASTEST_HZ), 2)
        self._step_s, self._next_s = 1 / rate_hz, times[0]
        height, width = self._waiting[0][1].shape[:2]
        self._size = (width, height + _BAR)
        for name, codec in _CODECS:
            path = self._folder / name
            writer = cv2.VideoWriter(str(path), _fourcc(codec), rate_hz, self._size)
            if writer.isOpened():
                self._writer = writer
                return
        raise M3lError(f'{self._folder}: expected OpenCV to write a film, got a refusal. Check '
                       'that there is room, or leave --video out.')  # fmt: skip

    def _hold_until(self, time_s: float) -> None:
        """Show the last mask until the next one comes."""
        if self._shown is None:
            return
        record, picture = self._shown
        self._next_s = max(self._next_s, time_s - _LONGEST_HOLD_S)
        while self._next_s + self._step_s / 2 < time_s:
            self._write(record, picture, max(0.0, self._next_s - record.labeled_s))
            self._next_s += self._step_s

    def _write(self, record: FrameRecord, picture: NDArray[np.uint8], age_s: float) -> None:
        width, height = self._size
        shown = np.zeros((height, width, 3), np.uint8)
        shown[_BAR:] = cv2.resize(picture, (width, height - _BAR))
        text = f'{record.labeled_s + age_s:8.2f} s   {record.mode}   {record.reason}'
        if record.miou is not None:
            text += f'   mIoU {record.miou:.0f} %'
        write(shown, text, (6, 15), _INK.get(record.mode, _ALARM))
        if age_s > _OLD_S:
            write(shown, f'no labels for {age_s:.1f} s', (width - 170, 15), _ALARM)
        self._writer.write(cv2.cvtColor(shown, cv2.COLOR_RGB2BGR))


def _fourcc(codec: str) -> int:
    code: int = cv2.VideoWriter.fourcc(*codec)
    return code
