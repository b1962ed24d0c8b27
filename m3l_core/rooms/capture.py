"""One moment of a room as both cameras of an RGB-D sensor give it, with its labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from m3l_core.rooms.piece import CLASS_ID

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from m3l_core.rooms.color_sensor import ColorSensor
    from m3l_core.rooms.depth_sensor import DepthSensor
    from m3l_core.rooms.render import Pose, RoomRenderer


@dataclass(frozen=True, eq=False)
class Capture:
    """What is stored of one moment.

    Attributes:
        rgb: `(H, W, 3)` uint8.
        depth_mm: `(H, W)` uint16 millimeters, 0 where the sensor saw nothing.
        labels: `(H, W)` uint8 classes, 255 where nothing is.
    """

    rgb: NDArray[np.uint8]
    depth_mm: NDArray[np.uint16]
    labels: NDArray[np.uint8]


def capture(
    renderer: RoomRenderer,
    pose: Pose,
    *,
    depth_pose: Pose | None = None,
    color_sensor: ColorSensor,
    depth_sensor: DepthSensor,
    rng: np.random.Generator,
) -> Capture:
    """Return what the sensors report at `pose`; depth from `depth_pose` if it was taken later."""
    view = renderer.view(pose)
    true_m = view.depth_m if depth_pose is None else renderer.geometry(depth_pose)[1]
    absorbing = np.isin(view.labels, (CLASS_ID['window'], CLASS_ID['tv']))
    depth_m = depth_sensor.measure(
        true_m, focal_px=renderer.focal_px, rng=rng, absorbing=absorbing
    )
    rgb = color_sensor.expose(view.rgb, view.depth_m, rng)
    return Capture(rgb, np.rint(depth_m * 1000).astype(np.uint16), view.labels)
