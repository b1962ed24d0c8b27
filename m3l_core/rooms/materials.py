"""The surfaces of one room, drawn together so that a room has its own few colors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from m3l_core.rooms import textures
from m3l_core.rooms.piece import Surface
from m3l_core.rooms.textures import color, wood_color

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np


@dataclass(frozen=True, eq=False)
class Materials:
    """Surfaces that the furniture of one room shares."""

    wall: Surface
    accent_wall: Surface
    floor: Surface
    ceiling: Surface
    trim: Surface
    woods: list[Surface]
    metal: Surface
    cloths: list[Surface]
    rug: Surface
    curtain: Surface
    lamp: Surface
    shade: Surface
    leaf: Surface
    covers: list[Surface]
    things: list[Surface]
    screen: Surface
    view: Surface
    pictures: list[Surface]

    def wood(self, rng: np.random.Generator) -> Surface:
        """Return one of the woods of this room."""
        return self.woods[int(rng.integers(len(self.woods)))]

    def cloth(self, rng: np.random.Generator) -> Surface:
        """Return one of the cloths of this room."""
        return self.cloths[int(rng.integers(len(self.cloths)))]

    def thing(self, rng: np.random.Generator) -> Surface:
        """Return the surface of some small object."""
        return self.things[int(rng.integers(len(self.things)))]

    def cover(self, rng: np.random.Generator) -> Surface:
        """Return the cover of some book."""
        return self.covers[int(rng.integers(len(self.covers)))]


def draw_materials(rng: np.random.Generator) -> Materials:
    """Return the surfaces of a room."""
    return Materials(
        wall=_wall(rng),
        accent_wall=_wall(rng, bold=True),
        floor=_floor(rng),
        ceiling=Surface(
            textures.paint(rng, color(rng, saturation=(0.0, 0.08), value=(0.8, 1.0))), 2.0
        ),
        trim=Surface(textures.paint(rng, _trim_color(rng)), 1.0, shine=0.2),
        woods=[Surface(textures.wood(rng, wood_color(rng)), 1.2, shine=0.25) for _ in range(3)],
        metal=Surface(
            textures.paint(rng, color(rng, saturation=(0, 0.1), value=(0.1, 0.8))), shine=0.7
        ),
        cloths=[_cloth(rng) for _ in range(4)],
        rug=Surface(textures.cloth(rng, color(rng, value=(0.2, 0.9))), rng.uniform(0.6, 2.0)),
        curtain=Surface(
            textures.cloth(rng, color(rng, saturation=(0.0, 0.5), value=(0.4, 0.95))), 0.8
        ),
        lamp=Surface(textures.paint(rng, (1.0, 0.97, 0.9)), glow=0.9),
        shade=Surface(
            textures.paint(rng, color(rng, hue=(0.05, 0.15), value=(0.7, 0.95))),
            glow=rng.uniform(0.0, 0.6),
        ),
        leaf=Surface(
            textures.paint(rng, color(rng, (0.22, 0.4), (0.4, 0.8), (0.2, 0.6)), roughness=0.5),
            0.15,
        ),
        covers=[Surface(textures.cover(rng), 1.0) for _ in range(7)],
        things=[_thing(rng) for _ in range(7)],
        screen=Surface(textures.screen(rng), shine=0.5, glow=rng.uniform(0.2, 0.6)),
        view=Surface(textures.view(rng), glow=rng.uniform(0.75, 1.0)),
        pictures=[Surface(textures.picture(rng), shine=0.1) for _ in range(3)],
    )


def _trim_color(rng: np.random.Generator) -> textures.Color:
    if rng.random() < 0.6:
        return color(rng, saturation=(0.0, 0.05), value=(0.8, 0.97))
    return wood_color(rng)


def _wall(rng: np.random.Generator, *, bold: bool = False) -> Surface:
    saturation = (0.1, 0.6) if bold or rng.random() < 0.15 else (0.0, 0.25)
    base = color(rng, saturation=saturation, value=(0.55, 0.97))
    make: Callable[..., textures.Image] = textures.paint
    if rng.random() < (0.4 if bold else 0.15):
        make = textures.bricks if rng.random() < 0.3 else textures.wallpaper
    return Surface(make(rng, base), 1.2)


def _floor(rng: np.random.Generator) -> Surface:
    kind = rng.choice(['planks', 'planks', 'carpet', 'tiles'])
    if kind == 'planks':
        return Surface(textures.planks(rng, wood_color(rng)), 1.2, shine=rng.uniform(0, 0.4))
    base = color(rng, saturation=(0.0, 0.45), value=(0.2, 0.85))
    if kind == 'tiles':
        return Surface(textures.tiles(rng, base), 1.2, shine=rng.uniform(0, 0.5))
    return Surface(textures.carpet(rng, base), 1.0)


def _cloth(rng: np.random.Generator) -> Surface:
    base = color(rng, saturation=(0.0, 0.7), value=(0.12, 0.95))
    if rng.random() < 0.2:
        return Surface(textures.paint(rng, base, roughness=0.15), 0.5, shine=0.4)
    return Surface(textures.cloth(rng, base), rng.uniform(0.3, 0.9))


def _thing(rng: np.random.Generator) -> Surface:
    base = color(rng, saturation=(0.0, 0.95), value=(0.08, 0.97))
    return Surface(textures.paint(rng, base, roughness=0.1), shine=rng.uniform(0, 0.8))
