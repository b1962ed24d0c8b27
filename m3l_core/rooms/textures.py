"""Procedural images for surfaces: paint, wood, tiles, carpet, cloth, pictures, views.

Every function takes a random generator and returns `(size, size, 3)` uint8 RGB.
"""

from __future__ import annotations

import colorsys
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Image = NDArray[np.uint8]
    Field = NDArray[np.float64]

SIZE = 128
"""Edge of most textures in pixels; mip-mapping hides the rest at the sizes we render."""

Color = tuple[float, float, float]


def color(
    rng: np.random.Generator,
    hue: tuple[float, float] = (0.0, 1.0),
    saturation: tuple[float, float] = (0.1, 0.6),
    value: tuple[float, float] = (0.3, 0.9),
) -> Color:
    """Return an RGB color in [0, 1] drawn from ranges of hue, saturation and value."""
    return colorsys.hsv_to_rgb(
        rng.uniform(*hue) % 1.0, rng.uniform(*saturation), rng.uniform(*value)
    )


def wood_color(rng: np.random.Generator) -> Color:
    """Return a color that wood, varnish or painted furniture has."""
    if rng.random() < 0.25:
        return color(rng, saturation=(0.0, 0.12), value=(0.75, 0.95))
    if rng.random() < 0.15:
        return color(rng, saturation=(0.0, 0.2), value=(0.08, 0.25))
    return color(rng, hue=(0.04, 0.11), saturation=(0.3, 0.7), value=(0.25, 0.8))


def noise(rng: np.random.Generator, cells: Sequence[int], size: int = SIZE) -> Field:
    """Return smooth noise in [0, 1] with (rows, columns) of `cells` grains; it tiles."""
    grains = rng.random((cells[0], cells[1]))
    wrapped = np.pad(grains, 2, mode='wrap')
    scale = (size // cells[0], size // cells[1])
    shape = (wrapped.shape[1] * scale[1], wrapped.shape[0] * scale[0])
    smooth = cv2.resize(wrapped, shape, interpolation=cv2.INTER_CUBIC)
    rows, columns = 2 * scale[0], 2 * scale[1]
    window: Field = smooth[rows : rows + size, columns : columns + size]
    return np.clip(window, 0, 1)


def _image(base: Color, shade: Field) -> Image:
    pixels = np.asarray(base)[None, None, :] * shade[..., None] * 255
    return np.clip(pixels, 0, 255).astype(np.uint8)


def paint(rng: np.random.Generator, base: Color, *, roughness: float = 0.06) -> Image:
    """Return nearly uniform paint or plastic."""
    shade = 1 - roughness * (noise(rng, (4, 4)) + noise(rng, (64, 64)))
    return _image(base, shade)


def wood(rng: np.random.Generator, base: Color) -> Image:
    """Return wood whose grain runs along u."""
    rings = noise(rng, (16, 2)) + 0.35 * noise(rng, (64, 4)) + 0.2 * noise(rng, (128, 16))
    strength = rng.uniform(0.1, 0.45)
    return _image(base, 1 - strength * np.abs(np.sin(rings * rng.uniform(3, 8))))


def planks(rng: np.random.Generator, base: Color) -> Image:
    """Return a floor of boards, each of its own shade."""
    grain = 1 - 0.25 * noise(rng, (64, 4)) - 0.1 * noise(rng, (128, 16))
    rows = int(rng.choice([4, 8]))
    width = SIZE // rows
    for row in range(rows):
        band = slice(row * width, (row + 1) * width)
        cut = int(rng.integers(SIZE))
        shades = rng.uniform(0.8, 1.05, 2)
        grain[band, :cut] *= shades[0]
        grain[band, cut:] *= shades[1]
        grain[row * width] *= 0.6
        grain[band, cut] *= 0.6
    return _image(base, grain)


def tiles(rng: np.random.Generator, base: Color) -> Image:
    """Return square tiles with joints; every second one may be darker."""
    count = int(rng.choice([2, 4]))
    edge = SIZE // count
    shade = 1 - 0.12 * noise(rng, (8, 8)) - 0.05 * noise(rng, (64, 64))
    rows, columns = np.indices((SIZE, SIZE))
    odd = (rows // edge + columns // edge) % 2 == 1
    shade[odd] *= rng.choice([1.0, 1.0, 0.5])
    joint = (rows % edge < 2) | (columns % edge < 2)
    shade[joint] = rng.choice([0.55, 1.2])
    return _image(base, shade)


def carpet(rng: np.random.Generator, base: Color) -> Image:
    """Return short pile with stains of light and dark."""
    shade = 0.75 + 0.25 * noise(rng, (4, 4)) - 0.3 * noise(rng, (SIZE, SIZE))
    return _image(base, shade + 0.1)


def cloth(rng: np.random.Generator, base: Color) -> Image:
    """Return woven cloth: plain, striped, checked or dotted."""
    rows, columns = np.indices((SIZE, SIZE))
    shade = 1 - 0.12 * noise(rng, (4, 4)) - 0.12 * noise(rng, (SIZE, SIZE))
    pixels = np.asarray(base) * shade[..., None]
    other = np.asarray(color(rng, saturation=(0.1, 0.8))) * shade[..., None]
    period = int(rng.choice([16, 32, 64]))
    kind = rng.choice(['plain', 'plain', 'stripes', 'checks', 'dots'])
    if kind == 'stripes':
        mask = columns % period < period * rng.uniform(0.15, 0.5)
    elif kind == 'checks':
        mask = (columns % period < period // 3) ^ (rows % period < period // 3)
    elif kind == 'dots':
        center = period / 2
        mask = np.hypot(columns % period - center, rows % period - center) < period * 0.25
    else:
        mask = np.zeros((SIZE, SIZE), bool)
    pixels[mask] = other[mask]
    return np.clip(pixels * 255, 0, 255).astype(np.uint8)


def wallpaper(rng: np.random.Generator, base: Color) -> Image:
    """Return a faint pattern of stripes or blots on paint."""
    columns = np.indices((SIZE, SIZE))[1]
    shade = 1 - 0.05 * noise(rng, (64, 64))
    period = int(rng.choice([16, 32]))
    if rng.random() < 0.5:
        shade[columns % period < period // 2] *= rng.uniform(0.82, 0.95)
    else:
        shade *= 1 - rng.uniform(0.1, 0.25) * (noise(rng, (16, 16)) > 0.55)
    return _image(base, shade)


def bricks(rng: np.random.Generator, base: Color) -> Image:
    """Return brickwork."""
    shade = 1 - 0.2 * noise(rng, (32, 32)) - 0.1 * noise(rng, (SIZE, SIZE))
    height, width = 16, 32
    rows, columns = np.indices((SIZE, SIZE))
    columns = columns + (rows // height % 2) * width // 2
    joint = (rows % height < 2) | (columns % width < 2)
    shade[joint] = rng.uniform(0.9, 1.3)
    return _image(base, shade)


def picture(rng: np.random.Generator) -> Image:
    """Return something to hang up: a landscape, blots of color, or a figure, with a mat."""
    top, bottom = (np.asarray(color(rng, saturation=(0.2, 0.9))) * 255 for _ in range(2))
    mix = np.linspace(0, 1, SIZE)[:, None, None]
    art = np.broadcast_to(top * (1 - mix) + bottom * mix, (SIZE, SIZE, 3)).copy()
    art *= 0.75 + 0.5 * noise(rng, (8, 8))[..., None]
    image: Image = np.clip(art, 0, 255).astype(np.uint8)
    for _ in range(int(rng.integers(3, 9))):
        ink = tuple(int(255 * c) for c in color(rng, saturation=(0.1, 1.0), value=(0.1, 1.0)))
        x, y = (int(v) for v in rng.integers(0, SIZE, 2))
        w, h = (int(v) for v in rng.integers(6, SIZE // 3, 2))
        if rng.random() < 0.5:
            cv2.ellipse(image, (x, y), (w, h), float(rng.uniform(0, 180)), 0, 360, ink, -1)
        else:
            cv2.rectangle(image, (x, y), (x + w, y + h), ink, -1)
    image = np.asarray(cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.5, 2.5))), np.uint8)
    if rng.random() < 0.5:
        edge = int(rng.integers(6, 20))
        image[:edge], image[-edge:], image[:, :edge], image[:, -edge:] = (235,) * 4
    return image


def view(rng: np.random.Generator) -> Image:
    """Return what a window shows: sky, a row of houses or trees, or night."""
    bright = 0.25 if rng.random() < 0.15 else 1.0
    sky = np.asarray(color(rng, hue=(0.52, 0.62), saturation=(0.02, 0.35), value=(0.9, 1.0)))
    scene = np.broadcast_to(sky, (SIZE, SIZE, 3)).copy()
    scene *= 0.85 + 0.15 * noise(rng, (4, 8))[..., None]
    horizon = SIZE * rng.uniform(0.35, 0.9) + 18 * noise(rng, (2, 8))[0]
    ground = np.arange(SIZE)[:, None] > horizon[None, :]
    green = np.asarray(color(rng, hue=(0.2, 0.4), saturation=(0.2, 0.6), value=(0.3, 0.7)))
    scene[ground] = (green * (0.6 + 0.6 * noise(rng, (16, 16))[..., None]))[ground]
    for _ in range(int(rng.integers(0, 4))):
        left, width = int(rng.integers(0, SIZE)), int(rng.integers(15, 45))
        roof = int(rng.integers(SIZE // 4, SIZE // 2))
        scene[roof : SIZE - 10, left : left + width] = color(rng, saturation=(0.0, 0.4))
    image = np.clip(scene * bright * 255, 0, 255).astype(np.uint8)
    soft: Image = cv2.GaussianBlur(image, (0, 0), 1.2)
    return soft


def screen(rng: np.random.Generator) -> Image:
    """Return a screen: off with a faint reflection, or showing something."""
    if rng.random() < 0.3:
        return picture(rng)
    return _image((0.06, 0.06, 0.07), 0.6 + 1.2 * noise(rng, (2, 2)))


def cover(rng: np.random.Generator) -> Image:
    """Return the spine or lid of a book or box: a color with bands and a title."""
    image = paint(rng, color(rng, saturation=(0.1, 0.9), value=(0.15, 0.95)))
    for _ in range(int(rng.integers(0, 4))):
        row, height = int(rng.integers(8, SIZE - 24)), int(rng.integers(3, 18))
        image[row : row + height, 10:-10] = np.asarray(color(rng, value=(0.1, 1.0))) * 255
    return image
