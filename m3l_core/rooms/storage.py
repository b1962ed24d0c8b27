"""Furniture that holds things: shelves, cabinets, wardrobes, kitchen counters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from m3l_core.rooms.clutter import book_row, objects_on
from m3l_core.rooms.mesh import box, Mesh
from m3l_core.rooms.piece import Part, Piece, Top

if TYPE_CHECKING:
    import numpy as np

    from m3l_core.rooms.materials import Materials
    from m3l_core.rooms.piece import Surface


def bookshelf(rng: np.random.Generator, materials: Materials) -> Piece:
    """Return open shelves with books and other things on them."""
    width, depth = rng.uniform(0.7, 1.6), rng.uniform(0.26, 0.36)
    height = rng.uniform(0.9, 2.15)
    boards = max(3, round(height / rng.uniform(0.3, 0.38)))
    wood = materials.wood(rng)
    thick = 0.025
    frame = [
        box((thick, depth, height), (side * (width - thick) / 2, depth / 2, height / 2))
        for side in (-1, 1)
    ]
    frame.append(box((width, 0.015, height), (0, 0.008, height / 2)))
    pitch = (height - 0.08) / (boards - 1)
    parts: list[Part] = []
    for level in range(boards):
        z = 0.06 + level * pitch
        frame.append(box((width, depth, thick), (0, depth / 2, z)))
        if level < boards - 1:
            parts += _shelf_load(rng, materials, z + thick / 2, width, depth, pitch - 0.05)
    parts += [Part(mesh, 'furniture', wood) for mesh in frame]
    top = Top((0, depth / 2, height), width, depth) if height < 1.5 else None
    return Piece(parts, width, depth, height, tops=[top] if top else [])


def _shelf_load(
    rng: np.random.Generator, materials: Materials, z: float, width: float, depth: float,
    headroom: float,
) -> list[Part]:  # fmt: skip
    if rng.random() < 0.7:
        filled = (width - 0.06) * rng.uniform(0.5, 1.0)
        start = -width / 2 + 0.03
        return book_row(rng, materials, start=(start, depth, z), length=filled,
                        headroom=headroom)  # fmt: skip
    return objects_on(rng, materials, Top((0, depth / 2, z), width - 0.1, depth, headroom))


def _fronts(
    rng: np.random.Generator, width: float, depth: float, low: float, high: float
) -> tuple[list[Mesh], list[Mesh]]:
    """Return doors or drawers on the front y = depth between two heights, and their knobs."""
    columns = max(1, round(width / rng.uniform(0.4, 0.6)))
    rows = int(rng.integers(1, 5)) if high - low < 1.2 else int(rng.integers(1, 3))
    doors, knobs = [], []
    cell_w, cell_h = width / columns, (high - low) / rows
    for column in range(columns):
        for row in range(rows):
            x = (column + 0.5) * cell_w - width / 2
            z = low + (row + 0.5) * cell_h
            doors.append(box((cell_w - 0.02, 0.02, cell_h - 0.02), (x, depth + 0.01, z),
                             bevel=0.004))  # fmt: skip
            knob_x = x if rows > 2 else x + (0.4 if column % 2 == 0 else -0.4) * cell_w
            knobs.append(box((0.1 if rows > 2 else 0.02, 0.03, 0.02 if rows > 2 else 0.12),
                             (knob_x, depth + 0.03, z)))  # fmt: skip
    return doors, knobs


def cabinet(
    rng: np.random.Generator,
    materials: Materials,
    *,
    width: tuple[float, float] = (0.5, 1.5),
    height: tuple[float, float] = (0.55, 1.2),
    depth: tuple[float, float] = (0.38, 0.55),
    surface: Surface | None = None,
) -> Piece:
    """Return a closed cupboard with doors or drawers and a free top."""
    w, d, h = rng.uniform(*width), rng.uniform(*depth), rng.uniform(*height)
    wood = surface or materials.wood(rng)
    doors, knobs = _fronts(rng, w, d, 0.08, h - 0.03)
    parts = [Part(box((w, d, h - 0.06), (0, d / 2, h / 2 + 0.03)), 'furniture', wood)]
    parts += [Part(mesh, 'furniture', wood) for mesh in doors]
    parts += [Part(mesh, 'furniture', materials.metal) for mesh in knobs]
    tops = [Top((0, d / 2, h), w, d)] if h < 1.5 else []
    return Piece(parts, w, d + 0.03, h, front=0.6, tops=tops)


def wardrobe(rng: np.random.Generator, materials: Materials) -> Piece:
    """Return a tall cupboard for clothes."""
    return cabinet(rng, materials, width=(0.8, 1.9), height=(1.8, 2.2), depth=(0.5, 0.62))


def nightstand(rng: np.random.Generator, materials: Materials) -> Piece:
    """Return the small cupboard beside a bed."""
    return cabinet(rng, materials, width=(0.38, 0.5), height=(0.4, 0.62), depth=(0.35, 0.42))


def counter(rng: np.random.Generator, materials: Materials) -> Piece:
    """Return a kitchen counter with cupboards under and above, and a tall fridge at one end."""
    wood = materials.wood(rng)
    low = cabinet(rng, materials, width=(1.6, 2.6), height=(0.86, 0.9), depth=(0.55, 0.6),
                  surface=wood)  # fmt: skip
    parts = list(low.parts)
    stone = materials.thing(rng)
    slab = box((low.width + 0.02, low.depth + 0.02, 0.04), (0, low.depth / 2, low.height + 0.01))
    parts.append(Part(slab, 'furniture', stone))
    if rng.random() < 0.7:
        high = cabinet(rng, materials, width=(low.width - 0.02, low.width), height=(0.6, 0.8),
                       depth=(0.32, 0.36), surface=wood)  # fmt: skip
        parts += [part.moved((0, 0, 1.35)) for part in high.parts]
    if rng.random() < 0.6:
        x = low.width / 2 + 0.36
        fridge = [
            box((0.62, 0.6, 1.7), (x, 0.3, 0.87), bevel=0.02),
            box((0.6, 0.02, 1.1), (x, 0.62, 1.15)),
            box((0.6, 0.02, 0.5), (x, 0.62, 0.33)),
        ]
        parts += [Part(mesh, 'furniture', materials.trim) for mesh in fridge]
    top = Top((0, low.depth / 2, low.height + 0.03), low.width, low.depth, 0.35)
    return Piece(
        [p.moved((-0.3, 0, 0)) for p in parts],
        low.width + 0.7,
        low.depth,
        2.0,
        front=0.8,
        tops=[Top((-0.3, *top.center[1:]), top.width, top.depth, 0.35)],
    )
