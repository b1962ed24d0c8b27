"""Tables and desks, and the board a television stands on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from m3l_core.rooms.mesh import box, cylinder
from m3l_core.rooms.piece import Part, Piece, Top
from m3l_core.rooms.seating import legs
from m3l_core.rooms.storage import cabinet

if TYPE_CHECKING:
    import numpy as np

    from m3l_core.rooms.materials import Materials


def table(
    rng: np.random.Generator,
    materials: Materials,
    *,
    width: tuple[float, float] = (0.9, 1.7),
    depth: tuple[float, float] = (0.7, 0.95),
    height: tuple[float, float] = (0.7, 0.77),
) -> Piece:
    """Return a table with four legs, or a round one on a pillar."""
    w, d, h = rng.uniform(*width), rng.uniform(*depth), rng.uniform(*height)
    wood = materials.wood(rng)
    frame = wood if rng.random() < 0.6 else materials.metal
    if rng.random() < 0.2:
        radius = d / 2
        board = cylinder(radius, 0.035, (0, radius, h - 0.035))
        feet = [
            cylinder(0.05, h - 0.03, (0, radius, 0)),
            cylinder(radius / 2, 0.03, (0, radius, 0)),
        ]
        w, usable = d, 0.65
    else:
        board = box((w, d, 0.035), (0, d / 2, h - 0.018), bevel=0.008)
        feet = legs(w, d, h - 0.03, rng.uniform(0.04, 0.08), round_=rng.random() < 0.3)
        feet.append(box((w - 0.12, d - 0.12, 0.06), (0, d / 2, h - 0.06)))
        usable = 1.0
    parts = [Part(board, 'table', wood)] + [Part(mesh, 'table', frame) for mesh in feet]
    top = Top((0, d / 2, h), w * usable, d * usable)
    return Piece(parts, w, d, h, front=0.5, tops=[top])


def desk(rng: np.random.Generator, materials: Materials) -> Piece:
    """Return a desk for the wall."""
    return table(rng, materials, width=(1.1, 1.8), depth=(0.6, 0.8))


def coffee_table(rng: np.random.Generator, materials: Materials) -> Piece:
    """Return a low table for before a sofa."""
    return table(rng, materials, width=(0.7, 1.2), depth=(0.45, 0.65), height=(0.35, 0.48))


def tv_stand(rng: np.random.Generator, materials: Materials) -> Piece:
    """Return a low cupboard with a television on it."""
    base = cabinet(rng, materials, width=(1.1, 1.8), height=(0.4, 0.65), depth=(0.36, 0.45))
    parts = list(base.parts)
    width = rng.uniform(0.8, min(1.4, base.width))
    height = width * 0.58
    y, z = base.depth * 0.45, base.height
    parts += television(materials, width, height, (0.0, y, z + 0.05 + height / 2))
    foot = box((width * 0.4, 0.2, 0.02), (0, y, z + 0.01))
    neck = box((0.12, 0.03, 0.12), (0, y - 0.02, z + 0.06))
    parts += [Part(mesh, 'tv', materials.metal) for mesh in (foot, neck)]
    tops = [
        Top((side * base.width * 0.42, base.depth / 2, z), 0.22, base.depth) for side in (-1, 1)
    ]
    return Piece(parts, base.width, base.depth, z + 0.05 + height, front=0.8, tops=tops)


def television(
    materials: Materials, width: float, height: float, center: tuple[float, float, float]
) -> list[Part]:
    """Return a flat television that looks along +y."""
    x, y, z = center
    body = box((width, 0.05, height), (x, y, z), bevel=0.008)
    panel = box((width - 0.04, 0.01, height - 0.04), (x, y + 0.024, z), fit=True)
    return [Part(body, 'tv', materials.metal), Part(panel, 'tv', materials.screen)]
