"""What is on the walls: windows, doors, pictures, televisions, boards, curtains.

In the frame of a wall: x along it, +y into the room, z up, the wall itself at y = 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from m3l_core.rooms.mesh import box, folds, Mesh
from m3l_core.rooms.piece import Part
from m3l_core.rooms.tables import television

if TYPE_CHECKING:
    import numpy as np

    from m3l_core.rooms.materials import Materials


@dataclass(frozen=True, eq=False)
class Hanging:
    """Parts around the middle (0, 0, 0) of a rectangle `width` x `height` on a wall.

    Attributes:
        parts: What it is made of.
        width: Length along the wall.
        height: Length upward.
        z: Height of its middle above the floor.
    """

    parts: list[Part]
    width: float
    height: float
    z: float


def _frame(width: float, height: float, thickness: float, depth: float) -> list[Mesh]:
    """Return four bars around a rectangle."""
    x, z = (width - thickness) / 2, (height - thickness) / 2
    upright = [box((thickness, depth, height), (side * x, depth / 2, 0)) for side in (-1, 1)]
    level = [box((width, depth, thickness), (0, depth / 2, side * z)) for side in (-1, 1)]
    return upright + level


def window(rng: np.random.Generator, materials: Materials, room_height: float) -> Hanging:
    """Return a window with frame and bars, and curtains or a blind on most."""
    w, h = rng.uniform(0.8, 2.0), rng.uniform(1.0, 1.5)
    z = min(rng.uniform(0.75, 1.0) + h / 2, room_height - 0.15 - h / 2)
    pane = box((w - 0.04, 0.01, h - 0.04), (0, 0.005, 0), fit=True)
    bars = _frame(w, h, 0.07, 0.06)
    for x in [0.0] if w < 1.4 else [-w / 6, w / 6]:
        bars.append(box((0.05, 0.05, h), (x, 0.025, 0)))
    bars.append(box((w + 0.1, 0.14, 0.035), (0, 0.07, -h / 2 - 0.01)))
    parts = [Part(pane, 'window', materials.view)]
    parts += [Part(mesh, 'window', materials.trim) for mesh in bars]
    kind = rng.choice(['none', 'curtains', 'curtains', 'blind'])
    if kind == 'curtains':
        share, drop = rng.uniform(0.15, 0.4) * w, rng.choice([h + 0.25, z + h / 2 + 0.05])
        for side in (-1, 1):
            hang = folds(share, float(drop), depth=0.07, count=max(2, int(share / 0.12)))
            foot = h / 2 + 0.12 - float(drop)
            place = (side * (w / 2 + 0.1 - share / 2), 0.09, foot)
            parts.append(Part(hang.moved(place), 'window', materials.curtain))
        rod = box((w + 0.4, 0.025, 0.025), (0, 0.12, h / 2 + 0.13))
        parts.append(Part(rod, 'window', materials.metal))
        return Hanging(parts, w + 0.4, h + 0.3, z)
    if kind == 'blind':
        for slat in range(int(h * rng.uniform(0.2, 0.9) / 0.06)):
            blade = box((w - 0.02, 0.05, 0.006)).tilted(0.7)
            parts.append(Part(blade.moved((0, 0.09, h / 2 - 0.03 - 0.06 * slat)), 'window',
                              materials.curtain))  # fmt: skip
    return Hanging(parts, w + 0.12, h + 0.06, z)


def door(rng: np.random.Generator, materials: Materials) -> Hanging:
    """Return a closed door; NYUv2's 13 classes count it as wall."""
    w, h = rng.uniform(0.8, 0.95), rng.uniform(1.98, 2.1)
    leaf = [box((w, 0.03, h), (0, 0.015, 0))]
    for z in (-0.27, 0.25):
        leaf.append(box((w * 0.62, 0.012, h * 0.34), (0, 0.033, z * h), bevel=0.006))
    wood = materials.trim if rng.random() < 0.5 else materials.wood(rng)
    frame = _frame(w + 0.16, h + 0.16, 0.08, 0.05)
    handle = box((0.12, 0.04, 0.025), (w * 0.4, 0.06, -0.02))
    parts = [Part(mesh, 'wall', wood) for mesh in leaf]
    parts += [Part(mesh, 'wall', materials.trim) for mesh in frame]
    return Hanging([*parts, Part(handle, 'wall', materials.metal)], w + 0.16, h, h / 2)


def picture(rng: np.random.Generator, materials: Materials) -> Hanging:
    """Return a framed picture or a poster."""
    w, h = rng.uniform(0.3, 1.0), rng.uniform(0.3, 0.85)
    image = materials.pictures[int(rng.integers(len(materials.pictures)))]
    parts = [Part(box((w, 0.015, h), (0, 0.01, 0), fit=True), 'picture', image)]
    if rng.random() < 0.8:
        bar = rng.uniform(0.02, 0.05)
        wood = materials.wood(rng)
        parts += [Part(mesh, 'picture', wood) for mesh in _frame(w + bar, h + bar, bar, 0.03)]
    return Hanging(parts, w + 0.1, h + 0.1, rng.uniform(1.4, 1.65))


def wall_television(rng: np.random.Generator, materials: Materials) -> Hanging:
    """Return a television hung on the wall."""
    w = rng.uniform(0.8, 1.4)
    return Hanging(television(materials, w, w * 0.58, (0, 0.05, 0)), w + 0.1, w * 0.58 + 0.1,
                   rng.uniform(1.2, 1.5))  # fmt: skip


def wall_shelf(rng: np.random.Generator, materials: Materials) -> Hanging:
    """Return a board on the wall that carries nothing yet; the caller may load it."""
    w, d = rng.uniform(0.6, 1.2), rng.uniform(0.18, 0.26)
    board = box((w, d, 0.03), (0, d / 2, -0.17))
    return Hanging([Part(board, 'furniture', materials.wood(rng))], w, 0.4, rng.uniform(1.4, 1.7))


def board(rng: np.random.Generator, materials: Materials) -> Hanging:
    """Return a mirror or white board; NYUv2's 13 classes count it among the objects."""
    w, h = rng.uniform(0.4, 1.4), rng.uniform(0.5, 1.0)
    sheet = box((w, 0.02, h), (0, 0.01, 0), fit=True)
    parts = [Part(sheet, 'objects', materials.ceiling)]
    parts += [Part(mesh, 'objects', materials.metal) for mesh in _frame(w, h, 0.03, 0.03)]
    return Hanging(parts, w + 0.1, h + 0.1, rng.uniform(1.3, 1.55))
