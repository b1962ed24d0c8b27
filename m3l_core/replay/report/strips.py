"""Small pictures of frames all over a run, for looking around in its report."""

from __future__ import annotations

import json
from typing import Any, TYPE_CHECKING

from m3l_core.replay.report.pictures import row
from m3l_core.stream.image_codec import encode_jpeg

if TYPE_CHECKING:
    from pathlib import Path

    from m3l_core.classes import ClassSet
    from m3l_core.replay.observing import ScoredFrame

FOLDER = 'strips'
INDEX = 'index.json'

_MOST = 200
_HEIGHT = 120
_QUALITY = 72


class Strips:
    """Keeps a bounded number of frames, evenly spread however long the bag is.

    When there are too many, every other one is removed and from then on half as many are kept.

    Args:
        folder: Of the run; the pictures go into its `strips`.
        classes: Colors of the labels.
    """

    def __init__(self, folder: Path, classes: ClassSet) -> None:
        self._folder = folder / FOLDER
        self._folder.mkdir(parents=True, exist_ok=True)
        self._classes = classes
        self._step = 1
        self._kept: dict[int, dict[str, Any]] = {}

    def on_frame(self, scored: ScoredFrame) -> None:
        """Keep the frame if it is its turn."""
        record = scored.record
        if record.index % self._step:
            return
        picture = row(scored.frame, scored.labels, scored.truth, self._classes, _HEIGHT)
        self._kept[record.index] = record.to_dict() | {'panels': 3 + (scored.truth is not None)}
        # Not synced to the disk: the run's folder is what is whole or not there.
        self._file(record.index).write_bytes(encode_jpeg(picture, _QUALITY))
        if len(self._kept) > _MOST:
            self._thin_out()

    def close(self, summary: dict[str, Any]) -> None:  # noqa: ARG002 - an Observer's signature
        """Write what the pictures show."""
        records = [
            record | {'file': self._file(index).name} for index, record in self._kept.items()
        ]
        (self._folder / INDEX).write_text(json.dumps(records), encoding='utf-8')

    def _thin_out(self) -> None:
        self._step *= 2
        for index in [index for index in self._kept if index % self._step]:
            del self._kept[index]
            self._file(index).unlink()

    def _file(self, index: int) -> Path:
        return self._folder / f'{index:08d}.jpg'
