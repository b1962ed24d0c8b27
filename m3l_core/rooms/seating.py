"""Furniture to sit and lie on: sofas, armchairs, beds, chairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from m3l_core.rooms.mesh import box, cylinder, Mesh
from m3l_core.rooms.piece import Part, Piece

if TYPE_CHECKING:
    import numpy as np

    from m3l_core.rooms.materials import Materials
    from m3l_core.rooms.piece import Surface


def legs(
    width: float, depth: float, height: float, thickness: float, *, round_: bool = False
) -> list[Mesh]:
    """Return four legs under a board of `width` x `depth` whose back edge is y = 0."""
    x, margin = width / 2 - thickness, thickness
    corners = [(sx * x, y) for sx in (-1, 1) for y in (margin, depth - margin)]
    if round_:
        return [cylinder(thickness / 2, height, (cx, cy, 0)) for cx, cy in corners]
    return [box((thickness, thickness, height), (cx, cy, height / 2)) for cx, cy in corners]


def _pillow(rng: np.random.Generator, surface: Surface, x: float, y: float, z: float) -> Part:
    size = rng.uniform(0.36, 0.5)
    pillow = box((size, 0.14, size * 0.85), bevel=0.07, step=0.2).tilted(-rng.uniform(-0.1, 0.4))
    return Part(pillow.moved((x, y, z + size * 0.42), rng.uniform(-0.3, 0.3)), 'objects', surface)


def sofa(rng: np.random.Generator, materials: Materials, *, seats: int | None = None) -> Piece:
    """Return a sofa, or with one seat an armchair, with pillows on some."""
    seats = seats or int(rng.integers(2, 4))
    surface = materials.cloth(rng)
    arm, seat_width = rng.uniform(0.12, 0.25), rng.uniform(0.6, 0.72)
    width, depth = seats * seat_width + 2 * arm, rng.uniform(0.8, 1.0)
    seat_z, back_z = rng.uniform(0.36, 0.46), rng.uniform(0.72, 0.95)
    arm_z, foot = seat_z + rng.uniform(0.08, 0.25), rng.uniform(0.02, 0.14)
    soft = rng.uniform(0.03, 0.09)
    meshes = [
        box((width, depth, seat_z - 0.14 - foot), (0, depth / 2, (seat_z - 0.14 + foot) / 2)),
        box((width, 0.22, back_z - foot), (0, 0.11, (back_z + foot) / 2), bevel=soft),
    ]
    for side in (-1, 1):
        meshes.append(
            box(
                (arm, depth, arm_z - foot),
                (side * (width - arm) / 2, depth / 2, (arm_z + foot) / 2),
                bevel=min(soft, arm / 2.1),
            )
        )
    for seat in range(seats):
        x = (seat - (seats - 1) / 2) * seat_width
        meshes.append(
            box((seat_width - 0.01, depth - 0.2, 0.17), (x, depth / 2 + 0.1, seat_z - 0.08),
                bevel=0.05)
        )  # fmt: skip
        cushion = box((seat_width - 0.02, 0.17, back_z - seat_z), bevel=0.07).tilted(0.18)
        meshes.append(cushion.moved((x, 0.3, (back_z + seat_z) / 2)))
    parts = [Part(mesh, 'sofa', surface) for mesh in meshes]
    wood = materials.wood(rng)
    parts += [Part(leg, 'sofa', wood) for leg in legs(width, depth, foot + 0.02, 0.06)]
    for seat in range(seats):
        if rng.random() < 0.35:
            x = (seat - (seats - 1) / 2) * seat_width + rng.uniform(-0.1, 0.1)
            parts.append(_pillow(rng, materials.cloth(rng), x, 0.5, seat_z))
    return Piece(parts, width, depth, back_z, front=0.8)


def armchair(rng: np.random.Generator, materials: Materials) -> Piece:
    """Return an upholstered chair with arms; NYUv2 counts these as chairs."""
    piece = sofa(rng, materials, seats=1)
    parts = [
        Part(part.mesh, 'chair' if part.label == 'sofa' else part.label, part.surface)
        for part in piece.parts
    ]
    return Piece(parts, piece.width, piece.depth, piece.height, front=0.6)


def bed(rng: np.random.Generator, materials: Materials) -> Piece:
    """Return a bed with its head to the wall, made or rumpled."""
    width, depth = float(rng.choice([0.95, 1.4, 1.65])), rng.uniform(1.95, 2.15)
    base_z, mattress = rng.uniform(0.18, 0.35), rng.uniform(0.16, 0.26)
    top, head_z = base_z + mattress, rng.uniform(0.7, 1.25)
    wood, sheet, cover = materials.wood(rng), materials.cloth(rng), materials.cloth(rng)
    frame = [
        box((width, depth, base_z * 0.6), (0, depth / 2, base_z * 0.7)),
        box((width + 0.06, 0.07, head_z), (0, 0.035, head_z / 2), bevel=0.02),
        *legs(width, depth, base_z * 0.5, 0.08),
    ]
    if rng.random() < 0.4:
        frame.append(box((width + 0.04, 0.06, top + 0.1), (0, depth, (top + 0.1) / 2)))
    parts = [Part(mesh, 'bed', wood) for mesh in frame]
    body = box((width, depth - 0.1, mattress), (0, depth / 2, base_z + mattress / 2), bevel=0.06)
    parts.append(Part(body, 'bed', sheet))
    length = depth * rng.uniform(0.45, 0.8)
    blanket = box(
        (width + 0.08, length, mattress + 0.12),
        (0, depth - length / 2, base_z + mattress / 2 + 0.01), bevel=0.05,
    )  # fmt: skip
    parts.append(Part(blanket, 'bed', cover))
    pillow_surface = materials.cloth(rng)
    for x in [0.0] if width < 1.2 else [-width / 4, width / 4]:
        pillow = box((0.6, 0.4, 0.15), bevel=0.07, step=0.2).tilted(rng.uniform(0.1, 0.5))
        place = (x + rng.uniform(-0.05, 0.05), 0.34, top + 0.11)
        parts.append(Part(pillow.moved(place, rng.uniform(-0.2, 0.2)), 'objects', pillow_surface))
    return Piece(parts, width + 0.06, depth + 0.03, head_z, front=0.5)


def chair(rng: np.random.Generator, materials: Materials) -> Piece:
    """Return a chair: four legs, or a swivel foot as in offices."""
    width, depth = rng.uniform(0.4, 0.5), rng.uniform(0.4, 0.5)
    seat_z, back_z = rng.uniform(0.42, 0.48), rng.uniform(0.8, 1.05)
    frame = materials.wood(rng) if rng.random() < 0.6 else materials.metal
    pad = materials.cloth(rng) if rng.random() < 0.6 else frame
    soft = rng.uniform(0.015, 0.035)
    parts = [Part(box((width, depth, 0.07), (0, depth / 2, seat_z - 0.03), bevel=soft),
                  'chair', pad)]  # fmt: skip
    if rng.random() < 0.35:
        feet = [box((0.6, 0.05, 0.05), (0, depth / 2, 0.06)),
                box((0.05, 0.6, 0.05), (0, depth / 2, 0.06)),
                cylinder(0.03, seat_z - 0.08, (0, depth / 2, 0.05))]  # fmt: skip
    else:
        feet = legs(width, depth, seat_z - 0.05, 0.04, round_=rng.random() < 0.5)
    rest = back_z - seat_z
    if rng.random() < 0.5:
        backs = [box((width * 0.95, 0.05, rest * 0.75), bevel=0.02).tilted(0.12)
                 .moved((0, 0.0, seat_z + rest * 0.62))]  # fmt: skip
        parts.append(Part(backs[0], 'chair', pad))
        feet.append(box((0.05, 0.03, rest * 0.6), (0, 0.02, seat_z + rest * 0.25)))
    else:
        for x in (-0.45, -0.15, 0.15, 0.45):
            feet.append(box((0.035, 0.03, rest)).tilted(0.12)
                        .moved((x * width, 0.0, seat_z + rest / 2)))  # fmt: skip
        feet.append(box((width, 0.035, 0.09)).tilted(0.12).moved((0, -0.05, back_z)))
    parts += [Part(mesh, 'chair', frame) for mesh in feet]
    return Piece(parts, width, depth, back_z, front=0.3)
