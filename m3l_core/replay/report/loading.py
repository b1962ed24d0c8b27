"""The files of a replay, thinned out to what a page can hold."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
import json
from typing import Any, TYPE_CHECKING

import cv2
import numpy as np

from m3l_core.classes import ClassSet
from m3l_core.data.samples import read_depth_mm, read_rgb
from m3l_core.errors import DataError
from m3l_core.frames import meters
from m3l_core.replay.records import RECORDS, TIMES
from m3l_core.replay.report.pictures import depth_colors
from m3l_core.replay.report.strips import FOLDER as STRIPS
from m3l_core.replay.report.strips import INDEX
from m3l_core.stream.compressed_image import decode_gray_png
from m3l_core.stream.image_codec import encode_jpeg, encode_png

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

PAGE_BYTES = 4_500_000
"""What a page may take, base64 included: it goes by mail and opens on a phone."""

MOST_RUNS = 40
"""That are shown whole; all are in `summary.json`."""

_TEXT_BYTES = 30_000
"""What tables and drawings of one run take of that."""

_WORST_SHARE = 0.4
_WORST_WIDTH = 320
_POINTS = 1200
"""Masks that the curve of a run shows; more would share a pixel."""


@dataclass(frozen=True)
class Picture:
    """An image as it stands in the page."""

    what: str
    source: str
    """A data URL."""


@dataclass(frozen=True)
class Worst:
    """One of the worst frames."""

    record: dict[str, Any]
    pictures: list[Picture]


@dataclass
class RunView:
    """One run: its summary, curves and pictures.

    Attributes:
        summary: As replay wrote it.
        classes: Names and colors.
        points: Records of masks along the run, the worst of each stretch of it.
        strips: Records of masks with the data URL of their pictures as `source`.
        worst: Frames to look at first.
    """

    summary: dict[str, Any]
    classes: ClassSet
    points: list[dict[str, Any]]
    strips: list[dict[str, Any]] = field(default_factory=list)
    worst: list[Worst] = field(default_factory=list)

    @property
    def end_s(self) -> float:
        """Length of the time axis."""
        last = self.points[-1]['labeled_s'] if self.points else 0.0
        return max(float(self.summary['duration_s']), last, 1e-3)


def load(folder: Path) -> tuple[dict[str, Any], list[RunView]]:
    """Return the summary of a replay, and its runs with pictures within `PAGE_BYTES`.

    Of more than `MOST_RUNS` runs, those come first that did not pass.

    Raises:
        DataError: If a file is missing or damaged.
    """
    summary = _json(folder / 'summary.json')
    runs = summary['runs']
    if len(runs) > MOST_RUNS:
        runs = sorted(runs, key=lambda run: bool(run['passed']))[:MOST_RUNS]
    budget = max(0, PAGE_BYTES // max(1, len(runs)) - _TEXT_BYTES)
    points = min(_POINTS, max(100, 4 * _POINTS // max(1, len(runs))))
    views = []
    for run in runs:
        place = folder / run['folder']
        classes = ClassSet(tuple(run['classes']), tuple(tuple(c) for c in run['palette']))
        view = RunView(run, classes, _points(place, run, points))
        view.worst = list(_worst(place / 'worst', classes, round(_WORST_SHARE * budget)))
        spent = sum(len(p.source) for frame in view.worst for p in frame.pictures)
        view.strips = _strips(place / STRIPS, budget - spent)
        views.append(view)
    return summary, views


def _points(folder: Path, run: dict[str, Any], most: int) -> list[dict[str, Any]]:
    """Return at most `most` masks: of each stretch of time the one with the lowest score."""
    span_s = max(float(run['duration_s']), 1e-3)
    worst: dict[int, dict[str, Any]] = {}
    for record in _masks(folder):
        place = int(most * record['labeled_s'] / span_s)
        if place not in worst or _score(record) < _score(worst[place]):
            worst[place] = record
    return [worst[place] for place in sorted(worst)]


def _masks(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of the masks of a run; of a realtime one together with their times."""
    times = _of_frames(folder / TIMES)
    for record in _of_frames(folder / RECORDS):
        yield record if 'labeled_s' in record else record | next(times)


def _of_frames(path: Path) -> Iterator[dict[str, Any]]:
    with _opened(path) as lines:
        for line in lines:
            record = _parsed(line, path)
            if record.get('type') == 'frame':
                yield record


def _score(record: dict[str, Any]) -> float:
    miou = record['miou']
    return float(record['confidence'] if miou is None else miou)


def _worst(folder: Path, classes: ClassSet, budget: int) -> Iterator[Worst]:
    """Yield frames, the worst first, as long as their pictures fit."""
    for path in sorted(folder.glob('*.json')):
        pictures = list(_pictures(path.with_suffix(''), classes))
        budget -= sum(len(picture.source) for picture in pictures)
        if budget < 0:
            return
        yield Worst(_json(path), pictures)


def _pictures(stem: Path, classes: ClassSet) -> Iterator[Picture]:
    def file(ending: str) -> Path:
        return stem.with_name(f'{stem.name}.{ending}')

    if file('rgb.jpg').exists():
        yield Picture('RGB', _jpeg_url(read_rgb(file('rgb.jpg'))))
    if file('depth.png').exists():
        depth_m = meters(read_depth_mm(file('depth.png')))
        yield Picture('depth', _jpeg_url(depth_colors(depth_m)))
    for name in ('labels', 'truth'):
        if file(f'{name}.png').exists():
            data = memoryview(_bytes(file(f'{name}.png')))
            ids = _shrunk(decode_gray_png(name, data, np.uint8), cv2.INTER_NEAREST)
            # PNG: JPEG would blur the edges, and these are what is looked at.
            yield Picture(name, _url('png', encode_png(classes.colors(ids))))


def _strips(folder: Path, budget: int) -> list[dict[str, Any]]:
    """Return as many evenly spread strips as fit, or none if none were made."""
    if not (folder / INDEX).exists():
        return []
    records = _json(folder / INDEX)
    sizes = [_url_size(folder / record['file']) for record in records]
    step = 1
    while sum(sizes[::step]) > budget:
        if step >= len(sizes):
            return []  # not even one fits
        step += 1
    return [
        record | {'source': _url('jpeg', _bytes(folder / record['file']))}
        for record in records[::step]
    ]


def _url_size(path: Path) -> int:
    """Return the length of a file's data URL without reading the file."""
    try:
        size = path.stat().st_size
    except OSError:
        return 0  # reading it will say what is wrong
    return len(_url('jpeg', b'')) + 4 * ((size + 2) // 3)


def _jpeg_url(rgb: NDArray[np.uint8]) -> str:
    return _url('jpeg', encode_jpeg(_shrunk(rgb, cv2.INTER_AREA), 80))


def _shrunk(image: NDArray[np.uint8], how: int) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    if width <= _WORST_WIDTH:
        return image
    size = (_WORST_WIDTH, max(1, round(height * _WORST_WIDTH / width)))
    shrunk: NDArray[np.uint8] = cv2.resize(image, size, interpolation=how)
    return shrunk


def _url(kind: str, data: bytes) -> str:
    return f'data:image/{kind};base64,{base64.b64encode(data).decode()}'


def _json(path: Path) -> Any:  # noqa: ANN401 - whatever was written
    return _parsed(_bytes(path).decode('utf-8', 'replace'), path)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error.strerror or 'it cannot be read') from error


def _parsed(text: str, path: Path) -> Any:  # noqa: ANN401
    try:
        return json.loads(text)
    except ValueError as error:
        raise _unreadable(path, str(error)) from error


def _opened(path: Path) -> Any:  # noqa: ANN401
    try:
        return path.open(encoding='utf-8')
    except OSError as error:
        raise _unreadable(path, error.strerror or 'it cannot be read') from error


def _unreadable(path: Path, reason: str) -> DataError:
    return DataError(
        f'{path}: expected what a replay wrote, got none of it: {reason}. Run the replay again.'
    )
