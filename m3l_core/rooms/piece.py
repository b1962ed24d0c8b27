"""What a room is made of: surfaces, parts that wear them, and pieces made of parts."""

from __future__ import annotations

from dataclasses import dataclass, field
import math
from typing import TYPE_CHECKING

from m3l_core.classes import NYU13

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from m3l_core.rooms.mesh import Mesh, Vec3

CLASS_ID = {name: index for index, name in enumerate(NYU13.names)}
"""Class index by name."""


@dataclass(frozen=True, eq=False)
class Surface:
    """How something looks.

    Attributes:
        image: `(S, S, 3)` uint8 RGB texture.
        tile_m: Length that one texture image covers; 1 for meshes made to fit one image.
        shine: Strength of highlights in [0, 1].
        glow: Light it gives itself in [0, 1]: lamps, screens, the view from a window.
    """

    image: NDArray[np.uint8]
    tile_m: float = 1.0
    shine: float = 0.0
    glow: float = 0.0


@dataclass(frozen=True, eq=False)
class Part:
    """A mesh of one class with one surface."""

    mesh: Mesh
    label: str
    surface: Surface

    def moved(self, offset: Vec3, yaw: float = 0.0) -> Part:
        """Return the part turned about z by `yaw`, then shifted."""
        return Part(self.mesh.moved(offset, yaw), self.label, self.surface)


@dataclass(frozen=True)
class Top:
    """A horizontal board that things may stand on: its middle, its size, the headroom."""

    center: Vec3
    width: float
    depth: float
    headroom: float = 0.5


@dataclass(frozen=True, eq=False)
class Piece:
    """A piece of furniture in its own frame.

    Its back is the line y = 0, its middle x = 0, its front looks along +y, its feet are on z = 0.

    Attributes:
        parts: What it is made of.
        width: Length along x.
        depth: Length along y.
        height: Length along z.
        front: Free floor it wants before it, in meters.
        tops: Where small things may be put.
    """

    parts: list[Part]
    width: float
    depth: float
    height: float
    front: float = 0.5
    tops: list[Top] = field(default_factory=list)


@dataclass(frozen=True)
class Footprint:
    """The floor (and height) that something takes, along the axes of the room."""

    x0: float
    y0: float
    x1: float
    y1: float
    height: float = 0.0

    @property
    def center(self) -> tuple[float, float]:
        """Middle on the floor."""
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2

    def grown(self, by: float) -> Footprint:
        """Return the footprint with `by` meters added on every side."""
        return Footprint(self.x0 - by, self.y0 - by, self.x1 + by, self.y1 + by, self.height)

    def overlaps(self, other: Footprint) -> bool:
        """Whether both share floor."""
        return (
            self.x0 < other.x1 and other.x0 < self.x1
            and self.y0 < other.y1 and other.y0 < self.y1
        )  # fmt: skip

    def distance(self, x: float, y: float) -> float:
        """Return how far a point on the floor is away, 0 inside."""
        dx = max(self.x0 - x, x - self.x1, 0.0)
        dy = max(self.y0 - y, y - self.y1, 0.0)
        return math.hypot(dx, dy)
