"""From a folder of images to a bag, as if a camera had recorded them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from m3l_core.bags.folders import open_folder
from m3l_core.bags.writing import BagWriter
from m3l_core.errors import BagError, DataError, FrameError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from m3l_core.bags.folders import FrameFiles
    from m3l_core.bags.writing import Transport

START_NS = 1_600_000_000_000_000_000
"""Stamp of the first frame: the same every time, so that the same folder makes the same bag."""


def make_bag(
    folder: Path,
    bag: Path,
    *,
    rate_hz: float = 30.0,
    transport: Transport = 'raw',
    force: bool = False,
    on_frame: Callable[[int, int], None] | None = None,
) -> int:
    """Write the frames of a folder, in the order of their names, as a rosbag2 mcap bag.

    With the transport `compressed`, JPEG and PNG files of color go in as they are.

    Args:
        folder: Images in a layout of `m3l_core.bags.folders`.
        bag: Folder of the bag to make.
        rate_hz: Frames per second of the stamps.
        transport: How images are written.
        force: Replace a bag that is there already.
        on_frame: Told the number of frames written, and of all, after each.

    Returns:
        The number of frames.

    Raises:
        BagError: If the bag cannot be written.
        DataError: If the folder is none of images, or one of them is damaged.
    """
    if not rate_hz > 0:
        raise BagError(f'rate: expected more than 0 Hz, got {rate_hz}.')
    images = open_folder(folder)
    with BagWriter(bag, transport=transport, force=force) as writer:
        for index, frame in enumerate(images.frames):
            stamp_ns = START_NS + round(index * 1e9 / rate_hz)
            _write_frame(writer, frame, stamp_ns, transport, images.camera_matrix)
            if on_frame is not None:
                on_frame(index + 1, len(images.frames))
    return len(images.frames)


def _write_frame(
    writer: BagWriter,
    frame: FrameFiles,
    stamp_ns: int,
    transport: Transport,
    camera_matrix: NDArray[np.float64] | None,
) -> None:
    if transport == 'raw':
        rgb = frame.read_rgb()
        writer.write_rgb(rgb, stamp_ns)
        size = rgb.shape[:2]
    else:
        try:
            size = writer.write_encoded_rgb(frame.rgb.read_bytes(), stamp_ns)
        except FrameError as error:
            raise DataError(f'{frame.rgb}: {error}') from error
    if camera_matrix is not None:
        writer.write_camera_info(camera_matrix, size, stamp_ns)
    writer.write_depth(frame.read_depth_mm(), stamp_ns)
    labels = frame.read_labels()
    if labels is not None:
        writer.write_labels(labels, stamp_ns)
