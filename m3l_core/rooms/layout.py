"""Furnished rooms from a seed: which pieces, and where they stand without touching."""

from __future__ import annotations

import math
from typing import Literal, TYPE_CHECKING

from m3l_core.rooms import clutter, hangings, seating, storage, tables
from m3l_core.rooms.materials import draw_materials
from m3l_core.rooms.mesh import box, sheet, turned
from m3l_core.rooms.piece import Footprint, Part, Piece, Top
from m3l_core.rooms.room import Room, Wall

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from m3l_core.rooms.hangings import Hanging
    from m3l_core.rooms.materials import Materials

    Companion = Literal['chair', 'coffee table']
    Maker = Callable[[np.random.Generator, Materials], Piece]


_WISHES: dict[str, Sequence[tuple[Maker, float]]] = {
    'bedroom': (
        (seating.bed, 1.0), (storage.nightstand, 0.8), (storage.wardrobe, 0.8),
        (storage.cabinet, 0.6), (tables.desk, 0.5), (tables.tv_stand, 0.5),
        (storage.bookshelf, 0.5), (seating.armchair, 0.4), (seating.bed, 0.15),
    ),
    'living': (
        (seating.sofa, 1.0), (tables.tv_stand, 0.85), (storage.bookshelf, 0.7),
        (seating.sofa, 0.5), (seating.armchair, 0.6), (storage.cabinet, 0.6),
        (tables.desk, 0.3), (storage.bookshelf, 0.3),
    ),
    'study': (
        (tables.desk, 1.0), (storage.bookshelf, 0.9), (storage.bookshelf, 0.6),
        (tables.desk, 0.5), (storage.cabinet, 0.6), (seating.armchair, 0.3),
        (seating.sofa, 0.3), (storage.wardrobe, 0.3),
    ),
    'kitchen': (
        (storage.counter, 1.0), (storage.cabinet, 0.6), (storage.counter, 0.3),
        (storage.bookshelf, 0.2), (seating.sofa, 0.15), (storage.cabinet, 0.4),
    ),
    'studio': (
        (seating.bed, 1.0), (seating.sofa, 1.0), (storage.bookshelf, 1.0), (tables.tv_stand, 1.0),
        (tables.desk, 0.9), (storage.cabinet, 0.7), (storage.wardrobe, 0.5),
        (seating.armchair, 0.4),
    ),
}  # fmt: skip
"""By kind of room: makers of pieces and how likely each is wanted, big ones first."""


_COMPANIONS: dict[Maker, Companion] = {seating.sofa: 'coffee table', tables.desk: 'chair'}
"""What stands before some pieces."""


def furnish(rng: np.random.Generator, kind: str | None = None) -> Room:
    """Return a furnished room, of a kind in `_WISHES` or of any."""
    kind = kind or str(rng.choice(['bedroom', 'living', 'study', 'kitchen', 'studio']))
    larger = 1.0 if kind == 'studio' else 0.0
    width, depth = rng.uniform(3.0, 5.2, 2) + larger
    builder = _Builder(rng, (float(width), float(depth), float(rng.uniform(2.35, 2.9))))
    builder.shell()
    builder.openings()
    for make, wanted in _WISHES[kind]:
        if rng.random() < wanted:
            builder.along_wall(make(rng, builder.materials), _COMPANIONS.get(make))
    if kind in ('kitchen', 'study') or rng.random() < 0.25:
        builder.dining_table()
    builder.decorate()
    return builder.room()


class _Builder:
    """Puts pieces into an empty room, one after another."""

    def __init__(self, rng: np.random.Generator, size: tuple[float, float, float]) -> None:
        self.rng = rng
        self.size = size
        self.materials = draw_materials(rng)
        self.parts: list[Part] = []
        self.footprints: list[Footprint] = []
        self.lights: list[tuple[float, float, float]] = []
        self.windows: list[tuple[float, float, float]] = []
        w, d, _ = size
        self.walls = [
            Wall(w, 0.0, (0, 0)), Wall(d, math.pi / 2, (w, 0)),
            Wall(w, math.pi, (w, d)), Wall(d, -math.pi / 2, (0, d)),
        ]  # fmt: skip

    def room(self) -> Room:
        """Return what stands now."""
        return Room(*self.size, self.parts, self.footprints, self.lights, self.windows)

    def shell(self) -> None:
        """Build floor, ceiling, walls, skirting and ceiling lamps."""
        w, d, h = self.size
        look, rng = self.materials, self.rng
        self.parts += [
            Part(sheet((0, 0, 0), (w, 0, 0), (0, d, 0)), 'floor', look.floor),
            Part(sheet((0, d, h), (w, 0, 0), (0, -d, 0)), 'ceiling', look.ceiling),
        ]
        bold = int(rng.integers(8))
        for index, wall in enumerate(self.walls):
            x0, y0 = wall.at(wall.length)
            x1, y1 = wall.at(0)
            surface = look.accent_wall if index == bold else look.wall
            face = sheet((x0, y0, 0), (x1 - x0, y1 - y0, 0), (0, 0, h))
            self.parts.append(Part(face, 'wall', surface))
            skirting = box((wall.length, 0.015, 0.09), (wall.length / 2, 0.008, 0.045))
            self.parts.append(Part(skirting.moved((*wall.at(0), 0), wall.yaw), 'wall', look.trim))
        for _ in range(int(rng.integers(1, 3))):
            x, y = rng.uniform(0.25, 0.75) * w, rng.uniform(0.25, 0.75) * d
            self.lights.append((float(x), float(y), h - 0.25))
            lamp = turned([(0, -0.12), (0.13, -0.1), (0.2, -0.02), (0.2, 0)], (x, y, h))
            self.parts.append(Part(lamp, 'objects', look.lamp))

    def openings(self) -> None:
        """Put doors and windows in before furniture takes the walls; add a pillar to some."""
        self.hang(hangings.door(self.rng, self.materials), keep_front=0.7)
        if self.rng.random() < 0.3:
            self.hang(hangings.door(self.rng, self.materials), keep_front=0.7)
        for _ in range(int(self.rng.integers(1, 3))):
            hanging = hangings.window(self.rng, self.materials, self.size[2])
            place = self.hang(hanging)
            if place:
                self.windows.append(place)
        if self.rng.random() < 0.25:
            w, d = self.rng.uniform(0.25, 0.8), self.rng.uniform(0.15, 0.4)
            mesh = box((w, d, self.size[2]), (0, d / 2, self.size[2] / 2), step=0.35)
            self.along_wall(
                Piece([Part(mesh, 'wall', self.materials.wall)], w, d, self.size[2], front=0)
            )

    def hang(
        self, hanging: Hanging, *, keep_front: float = 0.0
    ) -> tuple[float, float, float] | None:
        """Hang something at a free place, or nowhere; return where its middle is."""
        half = hanging.width / 2
        for _ in range(10):
            wall = self.walls[int(self.rng.integers(4))]
            if wall.length < hanging.width + 0.2:
                continue
            t = float(self.rng.uniform(half, wall.length - half))
            low, high = hanging.z - hanging.height / 2, hanging.z + hanging.height / 2
            if high > self.size[2] or not wall.free(t - half, t + half, low, high):
                continue
            wall.taken.append((t - half, t + half, low, high))
            place = (*wall.at(t), hanging.z)
            self.parts += [part.moved(place, wall.yaw) for part in hanging.parts]
            if keep_front:
                (ax, ay), (bx, by) = wall.at(t - half), wall.at(t + half, keep_front)
                self.footprints.append(_span(ax, ay, bx, by, 0.0))
            return place
        return None

    def along_wall(self, piece: Piece, companion: Companion | None = None) -> bool:
        """Stand a piece with its back to a wall; tell whether there was room."""
        half = piece.width / 2
        for attempt in range(24):
            wall = self.walls[int(self.rng.integers(4))]
            if wall.length < piece.width + 0.1:
                continue
            t = float(self.rng.uniform(half, wall.length - half))
            if self.rng.random() < 0.3:
                t = half + 0.03
            gap = float(self.rng.uniform(0.02, 0.06))
            front = piece.front if attempt < 16 else 0.0
            (ax, ay), (bx, by) = wall.at(t - half, gap), wall.at(t + half, gap + piece.depth)
            (cx, cy) = wall.at(t + half, gap + piece.depth + front)
            if not wall.free(t - half, t + half, 0.0, piece.height):
                continue
            if not self._clear(_span(ax, ay, cx, cy, 0.0)):
                continue
            wall.taken.append((t - half, t + half, 0.0, piece.height))
            self._put(piece, (*wall.at(t, gap), 0.0), wall.yaw)
            self.footprints.append(_span(ax, ay, bx, by, piece.height))
            if companion:
                self._accompany(companion, wall, t, gap + piece.depth)
            return True
        return False

    def _accompany(self, companion: Companion, wall: Wall, t: float, y: float) -> None:
        rng = self.rng
        if companion == 'chair':
            seat = seating.chair(rng, self.materials)
            turn = wall.yaw + math.pi + rng.uniform(-0.5, 0.5)
            x0, y0 = wall.at(t + rng.uniform(-0.2, 0.2), y + rng.uniform(0.25, 0.55))
            self._stand(seat, x0, y0, turn, allow=0.3)
        elif rng.random() < 0.8:
            table = tables.coffee_table(rng, self.materials)
            x0, y0 = wall.at(t, y + 0.35 + table.depth / 2)
            self._rug(x0, y0, wall.yaw)
            self._stand(table, x0, y0, wall.yaw + rng.uniform(-0.06, 0.06))

    def dining_table(self) -> None:
        """Stand a table with chairs around it somewhere in the middle."""
        rng = self.rng
        table = tables.table(rng, self.materials)
        for _ in range(12):
            x, y = (rng.uniform(1.2, max(1.25, side - 1.2)) for side in self.size[:2])
            yaw = float(rng.choice([0, math.pi / 2])) + rng.uniform(-0.06, 0.06)
            if self._stand(table, x, y, yaw):
                break
        else:
            return
        cos, sin = math.cos(yaw), math.sin(yaw)
        for side in (-1, 1):
            for along in (-0.25, 0.25) if table.width > 1.2 else (0.0,):
                if rng.random() < 0.8:
                    u, v = along * table.width, side * (table.depth / 2 + rng.uniform(0.0, 0.25))
                    turn = yaw + (math.pi if side > 0 else 0.0) + rng.uniform(-0.3, 0.3)
                    seat = seating.chair(rng, self.materials)
                    self._stand(seat, x + u * cos - v * sin, y + u * sin + v * cos, turn,
                                allow=0.35)  # fmt: skip

    def decorate(self) -> None:
        """Hang pictures, put small things on boards and floor."""
        rng, look = self.rng, self.materials
        if rng.random() < 0.2:
            self.hang(hangings.wall_television(rng, look))
        for _ in range(int(rng.integers(1, 6))):
            self.hang(hangings.picture(rng, look))
        if rng.random() < 0.4:
            self.hang(hangings.board(rng, look))
        for _ in range(int(rng.integers(0, 4))):
            shelf = hangings.wall_shelf(rng, look)
            load = clutter.objects_on(rng, look, Top((0, 0.12, -0.155), shelf.width, 0.2, 0.3))
            self.hang(hangings.Hanging(shelf.parts + load, shelf.width, shelf.height, shelf.z))
        for _ in range(int(rng.integers(2, 9))):
            thing = clutter.floor_object(rng, look)
            if rng.random() < 0.6:
                self.along_wall(thing)
            else:
                x, y = (rng.uniform(0.4, side - 0.4) for side in self.size[:2])
                self._stand(thing, x, y, rng.uniform(0, 2 * math.pi))
        if rng.random() < 0.3:
            self._rug(self.size[0] / 2, self.size[1] / 2, 0.0)

    def _rug(self, x: float, y: float, yaw: float) -> None:
        w, d = self.rng.uniform(1.2, 2.4), self.rng.uniform(0.9, 1.6)
        w, d = min(w, 2 * x, 2 * (self.size[0] - x)), min(d, 2 * y, 2 * (self.size[1] - y))
        if abs(math.sin(yaw)) > 0.5:
            w, d = d, w
        mesh = box((abs(w), abs(d), 0.012), (0, 0, 0.006), step=0.35).moved((x, y, 0), yaw)
        self.parts.append(Part(mesh, 'floor', self.materials.rug))

    def _stand(self, piece: Piece, x: float, y: float, yaw: float, *, allow: float = 0.0) -> bool:
        """Stand a piece with its middle at x, y; `allow` lets chairs reach under tables."""
        cos, sin = abs(math.cos(yaw)), abs(math.sin(yaw))
        half_x = (piece.width * cos + piece.depth * sin) / 2
        half_y = (piece.width * sin + piece.depth * cos) / 2
        area = Footprint(x - half_x, y - half_y, x + half_x, y + half_y, piece.height)
        inside = area.x0 > 0 and area.y0 > 0 and area.x1 < self.size[0] and area.y1 < self.size[1]
        if not inside or not self._clear(area.grown(-allow / 2)):
            return False
        back = piece.depth / 2
        place = (x + back * math.sin(yaw), y - back * math.cos(yaw), 0.0)
        self._put(piece, place, yaw)
        self.footprints.append(area)
        return True

    def _clear(self, area: Footprint) -> bool:
        w, d, _ = self.size
        inside = area.x0 > -0.01 and area.y0 > -0.01 and area.x1 < w and area.y1 < d
        return inside and not any(area.overlaps(other) for other in self.footprints)

    def _put(self, piece: Piece, place: tuple[float, float, float], yaw: float) -> None:
        parts = list(piece.parts)
        for top in piece.tops:
            parts += clutter.objects_on(self.rng, self.materials, top)
        self.parts += [part.moved(place, yaw) for part in parts]


def _span(ax: float, ay: float, bx: float, by: float, height: float) -> Footprint:
    return Footprint(min(ax, bx), min(ay, by), max(ax, bx), max(ay, by), height)
