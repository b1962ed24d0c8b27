"""A room as a whole, and its walls while it is being furnished."""

from __future__ import annotations

from dataclasses import dataclass, field
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from m3l_core.rooms.piece import Footprint, Part


@dataclass(frozen=True, eq=False)
class Room:
    """A finished room: its inside is [0, width] x [0, depth] x [0, height].

    Attributes:
        width: Length along x.
        depth: Length along y.
        height: Length along z.
        parts: Everything that is seen, walls included.
        footprints: Floor that furniture takes; a camera keeps away from it.
        lights: Where lamps hang from the ceiling.
        windows: Middles of the windows.
    """

    width: float
    depth: float
    height: float
    parts: list[Part]
    footprints: list[Footprint]
    lights: list[tuple[float, float, float]]
    windows: list[tuple[float, float, float]]


@dataclass(eq=False)
class Wall:
    """One of the four walls; t runs from 0 to `length` along its local x, y into the room."""

    length: float
    yaw: float
    corner: tuple[float, float]
    taken: list[tuple[float, float, float, float]] = field(default_factory=list)

    def at(self, t: float, y: float = 0.0) -> tuple[float, float]:
        """Return the place on the floor at `t` along the wall, `y` before it."""
        cos, sin = math.cos(self.yaw), math.sin(self.yaw)
        return self.corner[0] + t * cos - y * sin, self.corner[1] + t * sin + y * cos

    def free(self, t0: float, t1: float, z0: float, z1: float) -> bool:
        """Tell whether a rectangle of the wall is still free."""
        inside = t0 >= 0 and t1 <= self.length
        return inside and not any(
            t0 < b1 and b0 < t1 and z0 < c1 and c0 < z1 for b0, b1, c0, c1 in self.taken
        )
