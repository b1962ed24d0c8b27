"""One bag to files: what `m3l extract` does in each of its processes."""

from __future__ import annotations

from collections import Counter
import csv
from dataclasses import asdict, dataclass, field
import glob
import hashlib
import io
import json
import re
from typing import Any, TYPE_CHECKING

import cv2
import numpy as np

from m3l_core.bags.reading import Bag
from m3l_core.bags.topics import find_topics, RgbdTopics
from m3l_core.data.samples import decode_rgb as decode_file
from m3l_core.errors import DataError, FrameError
from m3l_core.extract.choosing import Chooser, median_sharpness
from m3l_core.extract.folder import begin
from m3l_core.extract.pairs import Pairs
from m3l_core.files import identity_of, write_atomically
from m3l_core.stream.decoding import decode
from m3l_core.stream.image_codec import encode_jpeg, encode_png

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from m3l_core.bags.many import Advance
    from m3l_core.extract.config import ExtractConfig
    from m3l_core.stream import Taken
    from m3l_core.stream.decoding import DecodedFrame

REASONS = {
    'between': 'nearer to the last kept pair than --every',
    'alike': 'near-duplicate of a kept pair',
    'blurred': 'far less sharp than the bag usually is',
    'dead': 'black, white or frozen, or without depth',
    'damaged': 'an image does not decode',
    'unpaired': 'no depth image near enough in time, or out of order',
}
"""Why color images are left out, in the order of the table."""

_JPEG_QUALITY = 95
_COLUMNS = ('name', 'bag', 'stamp_ns', 'depth_stamp_ns', 'receive_ns')


@dataclass(frozen=True)
class BagJob:
    """One bag, and the name that its files begin with."""

    bag: Path
    name: str
    out: Path
    config: ExtractConfig


@dataclass(frozen=True)
class BagReport:
    """What became of the color images of a bag.

    Attributes:
        name: What its files begin with.
        bag: Its path.
        rgb: Topic of the color images.
        depth: Topic of the depth images.
        images: Color images in the bag.
        kept: Pairs that were written.
        skipped: Color images that were not, by the words of `REASONS`.
        camera: Size, camera matrix and distortion as its camera info has them, or None.
        warnings: What a person should look at.
        key: The same for two extractions only if they would give the same; see `key_of`.
    """

    name: str
    bag: str
    rgb: str
    depth: str
    images: int
    kept: int
    skipped: dict[str, int]
    camera: dict[str, Any] | None = None
    warnings: list[str] = field(default_factory=list)
    key: str = ''


def key_of(bag: Path, config: ExtractConfig) -> str:
    """Return what changes with the files of a bag, and with what is asked of it."""
    about = [identity_of(bag), asdict(config)]
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def extract_bag(job: BagJob, advance: Advance) -> BagReport:
    """Write the pairs of a bag that are worth keeping, and the table of their stamps.

    Raises:
        BagError: If the bag cannot be read, or lacks color or depth.
        M3lError: If a file cannot be written.
    """
    key = key_of(job.bag, job.config)  # of what is there before it is read
    with Bag(job.bag) as bag:
        given = RgbdTopics(rgb=job.config.rgb, depth=job.config.depth)
        topics = find_topics(bag, given)
        assert topics.rgb is not None  # noqa: S101 - find_topics has seen to it
        assert topics.depth is not None  # noqa: S101
        begin(job.out, job.name, job.bag, job.config)  # not for what is no bag of a camera
        usual = median_sharpness(bag, topics.rgb) if job.config.sharpness else 0.0
        pairs = Pairs(bag, topics.rgb, topics.depth, job.config.depth_stamp_offset)
        writing = _Writing(job, Chooser(job.config, usual))
        writing.remove_old()
        span_ns = max(1, bag.duration_ns)
        for taken in pairs:
            writing.take(taken)
            advance(min(0.999, (taken.receive_ns - bag.start_ns) / span_ns))
        camera = _camera(bag, topics.camera_info)
        # The bag was read twice, so it may have told of its damage twice.
        warnings = list(dict.fromkeys([*bag.warnings, *pairs.warnings, *writing.doubts]))
    write_atomically(job.out / 'bags' / f'{job.name}.csv', writing.table())
    skipped = writing.skipped
    skipped['damaged'] += pairs.damaged
    skipped['unpaired'] = pairs.rgb_images - len(writing.rows) - sum(skipped.values())
    return BagReport(
        name=job.name,
        bag=str(job.bag),
        rgb=topics.rgb,
        depth=topics.depth,
        images=pairs.rgb_images,
        kept=len(writing.rows),
        skipped={reason: skipped[reason] for reason in REASONS},
        camera=camera,
        warnings=warnings,
        key=key,
    )


class _Writing:
    """The pairs of one bag on their way to files."""

    def __init__(self, job: BagJob, chooser: Chooser) -> None:
        self._job = job
        self._chooser = chooser
        self.rows: dict[str, tuple[str, str, int, int, int]] = {}
        self.skipped: Counter[str] = Counter()
        self.doubts: dict[str, None] = {}

    def remove_old(self) -> None:
        """Remove the pairs of an extraction that was stopped, or of another bag of this path."""
        own = re.compile(rf'{re.escape(self._job.name)}_\d+\.(jpg|png)')
        for folder in ('rgb', 'depth'):  # color first: where it is, the pair is whole
            for path in (self._job.out / folder).glob(f'{glob.escape(self._job.name)}_*'):
                if own.fullmatch(path.name):
                    path.unlink()

    def take(self, taken: Taken) -> None:
        """Write a pair, or count why not."""
        stamp_ns = taken.stamp_ns or taken.receive_ns
        if not self._chooser.is_due(stamp_ns):
            self.skipped['between'] += 1
            return
        try:
            decoded = decode(taken.rgb, taken.depth)
        except FrameError:
            self.skipped['damaged'] += 1
            return
        if decoded.problems:
            self.skipped['damaged'] += 1
            return
        reason = self._chooser.why_not(decoded.frame, now_ns=taken.receive_ns)
        name = f'{self._job.name}_{stamp_ns}'
        if not reason and name in self.rows:
            reason = 'alike'  # a bag that was recorded in a loop
        if reason:
            self.skipped[reason] += 1
            return
        self.doubts.update(dict.fromkeys(decoded.doubts))
        self._write(name, decoded, taken)
        depth_stamp: Any = taken.depth.header.stamp  # type: ignore[union-attr]
        depth_ns = depth_stamp.sec * 1_000_000_000 + depth_stamp.nanosec
        self.rows[name] = (name, self._job.name, taken.stamp_ns, depth_ns, taken.receive_ns)

    def _write(self, name: str, decoded: DecodedFrame, taken: Taken) -> None:
        rgb, depth_m = decoded.frame.rgb, decoded.frame.depth_m
        assert rgb is not None  # noqa: S101 - neither had a problem
        assert depth_m is not None  # noqa: S101
        depth_mm = _millimeters(depth_m, (rgb.shape[0], rgb.shape[1]))
        write_atomically(self._job.out / 'depth' / f'{name}.png', encode_png(depth_mm))
        # Color is written last: where it is, the pair is whole.
        write_atomically(self._job.out / 'rgb' / f'{name}.jpg', _jpeg(rgb, taken.rgb))

    def table(self) -> bytes:
        """Return the stamps of what was written, as CSV."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator='\n')
        writer.writerow(_COLUMNS)
        writer.writerows(self.rows.values())
        return text.getvalue().encode()


def _jpeg(rgb: NDArray[np.uint8], message: Any) -> bytes:  # noqa: ANN401
    """Return a JPEG of the pixels: that of the message if it shows just these, else a new one."""
    if 'jpeg' in getattr(message, 'format', ''):
        data = bytes(message.data)
        try:
            if np.array_equal(decode_file(data, 'rgb'), rgb):  # neither turned nor a mosaic
                return data
        except DataError:
            pass
    return encode_jpeg(rgb, _JPEG_QUALITY)


def _millimeters(depth_m: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.uint16]:
    """Return depth of `size` in millimeters; 0 is no reading, or one beyond 65 m."""
    if depth_m.shape != size:
        depth_m = cv2.resize(depth_m, size[::-1], interpolation=cv2.INTER_NEAREST)
    depth_mm = np.rint(depth_m * np.float32(1000))
    return np.where(depth_mm < 65535, depth_mm, 0).astype(np.uint16)


def _camera(bag: Bag, topic: str | None) -> dict[str, Any] | None:
    """Return the intrinsics of the color camera from its first info, or None."""
    if topic is None or not (message := next(bag.messages([topic]), None)):
        return None
    info = message.message
    matrix = [float(x) for x in (info.k if hasattr(info, 'k') else info.K)]
    if not matrix[0] > 0:  # drivers send zeros for a camera that was never calibrated
        return None
    return {
        'width': int(info.width),
        'height': int(info.height),
        'frame_id': info.header.frame_id,
        'camera_matrix': matrix,
        'distortion_model': info.distortion_model,
        'distortion': [float(x) for x in (info.d if hasattr(info, 'd') else info.D)],
    }
