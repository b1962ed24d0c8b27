"""Small things: books, and the objects that stand on boards and on the floor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from m3l_core.rooms.mesh import ball, box, cylinder, join, turned
from m3l_core.rooms.piece import Part, Piece, Top

if TYPE_CHECKING:
    import numpy as np

    from m3l_core.rooms.materials import Materials
    from m3l_core.rooms.mesh import Mesh, Vec3


def book_row(
    rng: np.random.Generator,
    materials: Materials,
    *,
    start: Vec3,
    length: float,
    headroom: float,
) -> list[Part]:
    """Return upright books from `start` along x, their spines at its y, facing +y."""
    parts: list[Part] = []
    x, y, z = start
    end = x + length
    tall = min(headroom, 0.3)
    while x < end - 0.06:
        thickness = rng.uniform(0.018, 0.055)
        height, depth = tall * rng.uniform(0.65, 0.98), rng.uniform(0.13, 0.2)
        setback = rng.uniform(0.02, 0.05)
        center = (x + thickness / 2, y - setback - depth / 2, z + height / 2)
        spine = box((thickness * 0.96, depth, height), center, fit=True)
        parts.append(Part(spine, 'books', materials.cover(rng)))
        x += thickness + (rng.uniform(0.02, 0.12) if rng.random() < 0.08 else 0.0)
    return parts


def book_stack(rng: np.random.Generator, materials: Materials) -> list[Part]:
    """Return a few books lying on each other."""
    parts: list[Part] = []
    z = 0.0
    for _ in range(int(rng.integers(1, 6))):
        size = (rng.uniform(0.2, 0.3), rng.uniform(0.15, 0.22), rng.uniform(0.018, 0.045))
        book = box(size, (0, 0, z + size[2] / 2), fit=True).moved(
            (0, 0, 0), rng.uniform(-0.4, 0.4)
        )
        parts.append(Part(book, 'books', materials.cover(rng)))
        z += size[2]
    return parts


def small_object(
    rng: np.random.Generator, materials: Materials, headroom: float = 0.5
) -> list[Part]:
    """Return one thing that stands on a board around its own origin."""
    kind = rng.choice(['books', 'box', 'mug', 'vase', 'bottle', 'ball', 'plant', 'lamp', 'laptop'])
    surface = materials.thing(rng)
    if kind == 'books':
        return book_stack(rng, materials)
    if kind == 'lamp' and headroom > 0.45:
        return table_lamp(rng, materials)
    if kind == 'plant' and headroom > 0.3:
        return plant(rng, materials, rng.uniform(0.2, min(0.45, headroom)))
    if kind == 'laptop':
        base = box((0.33, 0.23, 0.02), (0, 0, 0.01))
        lid = box((0.33, 0.012, 0.22)).tilted(0.25).moved((0, -0.14, 0.12))
        return [Part(mesh, 'objects', surface) for mesh in (base, lid)]
    if kind == 'ball':
        radius = rng.uniform(0.04, 0.1)
        return [Part(ball(radius, (0, 0, radius)), 'objects', surface)]
    if kind in ('mug', 'vase', 'bottle'):
        return [Part(_vessel(rng, str(kind), min(headroom, 0.4)), 'objects', surface)]
    size = (rng.uniform(0.08, 0.3), rng.uniform(0.08, 0.22), rng.uniform(0.05, 0.25))
    skin = materials.cover(rng) if rng.random() < 0.5 else surface
    return [Part(box(size, (0, 0, size[2] / 2), bevel=0.008, fit=True), 'objects', skin)]


def _vessel(rng: np.random.Generator, kind: str, headroom: float) -> Mesh:
    if kind == 'mug':
        return cylinder(rng.uniform(0.035, 0.06), rng.uniform(0.07, 0.14))
    h, r = rng.uniform(0.18, headroom), rng.uniform(0.03, 0.08)
    neck = r * (0.35 if kind == 'bottle' else rng.uniform(0.4, 1.1))
    return turned([(0, 0), (r * 0.7, 0), (r, h * 0.3), (r * 0.9, h * 0.6), (neck, h * 0.8),
                   (neck, h), (0, h)])  # fmt: skip


def table_lamp(rng: np.random.Generator, materials: Materials) -> list[Part]:
    """Return a lamp with a shade."""
    height, radius = rng.uniform(0.3, 0.45), rng.uniform(0.1, 0.16)
    foot = turned([(0, 0), (0.07, 0), (0.06, 0.02), (0.015, 0.04), (0.015, height * 0.7)])
    cone = turned([(radius, height * 0.55), (radius * rng.uniform(0.5, 0.95), height)])
    return [
        Part(foot, 'objects', materials.thing(rng)),
        Part(cone, 'objects', materials.shade),
    ]


def plant(rng: np.random.Generator, materials: Materials, height: float) -> list[Part]:
    """Return a pot with leaves."""
    pot, radius = height * 0.35, height * 0.17
    leaves = []
    for _ in range(14):
        size = height * rng.uniform(0.08, 0.2)
        spread = rng.normal(0, height * 0.12, 2)
        z = rng.uniform(pot * 1.1, height - size)
        leaves.append(ball(size, (spread[0], spread[1], z), squash=rng.uniform(0.3, 0.9)))
    return [
        Part(turned([(0, 0), (radius * 0.75, 0), (radius, pot), (0, pot)]), 'objects',
             materials.thing(rng)),
        Part(join(leaves), 'objects', materials.leaf),
    ]  # fmt: skip


def objects_on(rng: np.random.Generator, materials: Materials, top: Top) -> list[Part]:
    """Return things spread over a board, none wider than its share of it."""
    spots = max(1, int(top.width / 0.26))
    parts: list[Part] = []
    for spot in range(spots):
        if rng.random() > 0.75:
            continue
        x = (spot + 0.5) / spots * top.width - top.width / 2
        y = rng.uniform(-0.25, 0.25) * max(top.depth - 0.2, 0.0)
        place = (top.center[0] + x, top.center[1] + y, top.center[2])
        thing = small_object(rng, materials, top.headroom)
        parts += [part.moved(place, rng.uniform(-0.5, 0.5)) for part in thing]
    return parts


def floor_object(rng: np.random.Generator, materials: Materials) -> Piece:
    """Return something that stands on the floor: a box, basket, plant, floor lamp, bag."""
    kind = rng.choice(['box', 'box', 'basket', 'plant', 'lamp', 'bag'])
    surface = materials.thing(rng)
    if kind == 'plant':
        height = rng.uniform(0.6, 1.4)
        return _standing(plant(rng, materials, height), 0.5, 0.5, height)
    if kind == 'lamp':
        height = rng.uniform(1.3, 1.7)
        stand = turned([(0, 0), (0.14, 0), (0.14, 0.02), (0.015, 0.03), (0.015, height - 0.2)])
        cone = turned([(0.2, height - 0.3), (rng.uniform(0.1, 0.19), height)])
        parts = [Part(stand, 'objects', materials.metal), Part(cone, 'objects', materials.shade)]
        return _standing(parts, 0.4, 0.4, height)
    if kind == 'basket':
        radius, height = rng.uniform(0.12, 0.22), rng.uniform(0.25, 0.5)
        bin_ = turned([(0, 0), (radius * 0.8, 0), (radius, height), (radius * 0.9, height),
                       (radius * 0.7, 0.05), (0, 0.05)])  # fmt: skip
        return _standing([Part(bin_, 'objects', surface)], 2 * radius, 2 * radius, height)
    w, d, h = rng.uniform(0.25, 0.6), rng.uniform(0.2, 0.45), rng.uniform(0.15, 0.5)
    bevel = 0.1 if kind == 'bag' else 0.005
    skin = materials.cloth(rng) if kind == 'bag' else materials.cover(rng)
    mesh = box((w, d, h), (0, 0, h / 2), bevel=bevel, fit=True)
    return _standing([Part(mesh, 'objects', skin)], w, d, h)


def _standing(parts: list[Part], width: float, depth: float, height: float) -> Piece:
    """Return a piece of parts built around the origin, its back brought to y = 0."""
    return Piece([part.moved((0, depth / 2, 0)) for part in parts], width, depth, height, front=0)
