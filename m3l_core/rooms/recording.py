"""A bag as if someone had walked through rendered rooms with an RGB-D camera in the hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from m3l_core.bags.writing import BagWriter
from m3l_core.rooms import RESERVED_SEED
from m3l_core.rooms.camera import walk
from m3l_core.rooms.canvas import Canvas
from m3l_core.rooms.capture import capture
from m3l_core.rooms.color_sensor import ColorSensor
from m3l_core.rooms.depth_sensor import DepthSensor
from m3l_core.rooms.layout import furnish
from m3l_core.rooms.render import RoomRenderer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

SIZE = (240, 320)
RATE_HZ = 10
START_NS = 1_700_000_000_000_000_000
"""Stamp of the first frame: the same every time, so that the same seeds make the same bag."""

COLOR_TRANSPORT_NS = 5_000_000
DEPTH_STAMP_LAG_NS = 4_000_000
"""Depth and color cameras of real sensors do not expose at once."""
DEPTH_RECEIVE_LAG_NS = 30_000_000
"""Depth arrives later than the color image it belongs to: drivers register it first."""

_FOVY_DEG = 48.0


@dataclass(frozen=True)
class Walk:
    """One room of a recording.

    Attributes:
        seed: Of layout, textures, light and way; reserved ones only.
        kind: Kind of room, as in `m3l_core.rooms.layout`.
        frames: How many images are taken on the way.
    """

    seed: int
    kind: str
    frames: int


SAMPLE_WALKS = (
    Walk(RESERVED_SEED + 60, 'studio', 48),
    Walk(RESERVED_SEED + 36, 'studio', 48),
    Walk(RESERVED_SEED + 77, 'living', 48),
)
"""What the sample bag shows: together all 13 classes."""


def record(
    path: Path,
    walks: Sequence[Walk] = SAMPLE_WALKS,
    *,
    force: bool = False,
    on_frame: Callable[[int, int], None] | None = None,
) -> int:
    """Write a bag of walks through rendered rooms, one after another, and return its frames.

    Args:
        path: Folder of the bag to make.
        walks: Rooms and how many frames of each.
        force: Replace a bag that is there already.
        on_frame: Told the number of frames written, and of all, after each.

    Raises:
        BagError: If the bag cannot be written.
        M3lError: If the machine cannot render.
    """
    total = sum(one.frames for one in walks)
    done = 0
    with (
        Canvas(SIZE) as canvas,
        BagWriter(path, transport='compressed', force=force, jpeg_quality=85) as writer,
    ):
        for one in walks:
            for _ in _record_walk(writer, canvas, one, first=done):
                done += 1
                if on_frame is not None:
                    on_frame(done, total)
    return done


def _record_walk(writer: BagWriter, canvas: Canvas, one: Walk, *, first: int) -> Iterator[None]:
    rng = np.random.default_rng([one.seed, 2])
    room = furnish(np.random.default_rng([one.seed, 1]), one.kind)
    poses = walk(room, one.frames / RATE_HZ, rng)
    color_sensor, depth_sensor = ColorSensor(exposure=1.25, gamma=0.85, noise=2.0), DepthSensor()
    with RoomRenderer(room, canvas, fovy_deg=_FOVY_DEG, rng=rng) as renderer:
        for index in range(one.frames):
            at_ms = index * 1000 // RATE_HZ
            shot = capture(
                renderer, poses[at_ms], depth_pose=poses[at_ms + DEPTH_STAMP_LAG_NS // 1_000_000],
                color_sensor=color_sensor, depth_sensor=depth_sensor, rng=rng,
            )  # fmt: skip
            stamp_ns = START_NS + (first + index) * 1_000_000_000 // RATE_HZ
            arrival_ns = stamp_ns + COLOR_TRANSPORT_NS
            focal = renderer.focal_px
            matrix = np.array([
                [focal, 0, SIZE[1] / 2 - 0.5], [0, focal, SIZE[0] / 2 - 0.5], [0, 0, 1.0],
            ])  # fmt: skip
            writer.write_rgb(shot.rgb, stamp_ns, receive_ns=arrival_ns)
            writer.write_camera_info(matrix, SIZE, stamp_ns, receive_ns=arrival_ns)
            writer.write_labels(shot.labels, stamp_ns, receive_ns=arrival_ns)
            writer.write_depth(
                shot.depth_mm, stamp_ns + DEPTH_STAMP_LAG_NS,
                receive_ns=arrival_ns + DEPTH_RECEIVE_LAG_NS,
            )  # fmt: skip
            yield
