"""The frames that a person looks at first: those that are labeled worst."""

from __future__ import annotations

import json
from typing import Any, TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from m3l_core.replay.observing import FrameRecord, ScoredFrame

_MOST = 12
_APART_S = 0.5
"""Of frames closer than this, which look alike, only the worst is kept."""


class WorstFrames:
    """Keeps the images of a dozen frames, and writes them at the end.

    Worst is the lowest mIoU where there is truth; else the frame whose masks of RGB alone and of
    depth alone agree least with the pair's; else the least confident.

    Args:
        folder: Where the images go.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: list[tuple[tuple[int, float], ScoredFrame]] = []

    def on_frame(self, scored: ScoredFrame) -> None:
        """Keep the frame if it is among the worst so far."""
        badness = _badness(scored.record)
        for place, (kept, other) in enumerate(self._kept):
            if abs(other.record.labeled_s - scored.record.labeled_s) < _APART_S:
                if badness < kept:
                    self._kept[place] = (badness, scored)
                    self._sort()
                return
        if len(self._kept) < _MOST or badness < self._kept[-1][0]:
            self._kept.append((badness, scored))
            self._sort()

    def close(self, summary: dict[str, Any]) -> None:  # noqa: ARG002 - an Observer's signature
        """Write what was kept, the worst first."""
        self._folder.mkdir(exist_ok=True)
        for number, (_, scored) in enumerate(self._kept):
            _write(self._folder, f'{number:02d}', scored)
        self._kept.clear()

    def _sort(self) -> None:
        self._kept.sort(key=lambda kept: (kept[0], kept[1].record.index))
        del self._kept[_MOST:]


def _badness(record: FrameRecord) -> tuple[int, float]:
    """Return what frames are sorted by: those known to be wrong before those suspected."""
    if record.miou is not None:
        return 0, record.miou
    if record.agreement is not None:
        return 1, sum(record.agreement.values())
    return 2, record.confidence


def _write(folder: Path, name: str, scored: ScoredFrame) -> None:
    """Write what belongs to a frame; the folder of the run gets its name when all is there."""
    images: dict[str, NDArray[Any]] = {'labels.png': scored.labels}
    if scored.truth is not None:
        images['truth.png'] = scored.truth
    if scored.frame.rgb is not None:
        images['rgb.jpg'] = cv2.cvtColor(scored.frame.rgb, cv2.COLOR_RGB2BGR)
    if scored.frame.depth_m is not None:
        depth_mm = np.clip(np.rint(1000 * np.nan_to_num(scored.frame.depth_m)), 0, 65535)
        images['depth.png'] = depth_mm.astype(np.uint16)
    for ending, image in images.items():
        _, data = cv2.imencode(ending[-4:], image)
        (folder / f'{name}.{ending}').write_bytes(data.tobytes())
    record = json.dumps(scored.record.to_dict()).encode()
    (folder / f'{name}.json').write_bytes(record)
