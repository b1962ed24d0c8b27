"""Triangle meshes that furniture is put together from: boxes, turned shapes, sheets.

Lengths are meters, z points up. Texture coordinates are meters too, unless a mesh is told to
fit one whole image, so that one texture keeps its scale on every piece that wears it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, product
import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Vec3 = tuple[float, float, float]

_FACE_AXES = {0: (1, 2), 1: (0, 2), 2: (0, 1)}
"""For the axis a face looks along: the axes of its texture, the second one up on side faces."""


@dataclass(frozen=True, eq=False)
class Mesh:
    """`(V, 3)` vertices and normals, `(V, 2)` texture coordinates, `(F, 3)` faces."""

    vertices: NDArray[np.float64]
    normals: NDArray[np.float64]
    uv: NDArray[np.float64]
    faces: NDArray[np.int64]

    def moved(self, offset: Sequence[float], yaw: float = 0.0) -> Mesh:
        """Return the mesh turned about z by `yaw`, then shifted by `offset`."""
        cos, sin = math.cos(yaw), math.sin(yaw)
        turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
        moved = self.vertices @ turn.T + np.asarray(offset, float)
        return Mesh(moved, self.normals @ turn.T, self.uv, self.faces)

    def tilted(self, angle: float) -> Mesh:
        """Return the mesh turned about x by `angle`, as a back rest leans."""
        cos, sin = math.cos(angle), math.sin(angle)
        turn = np.array([[1.0, 0.0, 0.0], [0.0, cos, -sin], [0.0, sin, cos]])
        return Mesh(self.vertices @ turn.T, self.normals @ turn.T, self.uv, self.faces)


def join(meshes: Sequence[Mesh]) -> Mesh:
    """Return one mesh made of all `meshes`."""
    starts = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes[:-1]])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.normals for mesh in meshes]),
        np.concatenate([mesh.uv for mesh in meshes]),
        np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts, strict=True)]),
    )


def box(
    size: Vec3,
    center: Vec3 = (0.0, 0.0, 0.0),
    *,
    bevel: float = 0.0,
    step: float = 0.5,
    fit: bool = False,
) -> Mesh:
    """Return a box, cut finely enough for lights that are computed per vertex.

    Args:
        size: Full lengths along x, y and z.
        center: Where its middle is.
        bevel: Radius of the rounded edges; cushions have large ones.
        step: Longest edge of a quad.
        fit: Whether each face shows one whole texture image.
    """
    half = np.asarray(size, float) / 2
    bevel = min(bevel, float(half.min()))
    ticks = [_ticks(float(length), bevel, step) for length in half]
    plan = _box_plan(*(len(axis) for axis in ticks))
    points = np.stack([ticks[axis][plan.ticks[:, axis]] for axis in range(3)], axis=1)
    uv = np.take_along_axis(points + half, plan.uv_axes, axis=1)
    if fit:
        uv /= 2 * half[plan.uv_axes]
    normals = plan.normals
    if bevel > 0:
        inner = np.clip(points, bevel - half, half - bevel)
        normals = points - inner
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        points = inner + bevel * normals
    return Mesh(points + np.asarray(center, float), normals, uv, plan.faces)


@dataclass(frozen=True, eq=False)
class _BoxPlan:
    """What boxes cut alike share: which tick each vertex is on, and all but the lengths."""

    ticks: NDArray[np.int64]
    normals: NDArray[np.float64]
    uv_axes: NDArray[np.int64]
    faces: NDArray[np.int64]


@lru_cache(maxsize=1024)
def _box_plan(*counts: int) -> _BoxPlan:
    ticks, normals, uv_axes, faces = [], [], [], []
    start = 0
    for axis, sign in product(range(3), (-1, 1)):
        u_axis, v_axis = _FACE_AXES[axis]
        grid_u, grid_v = np.meshgrid(np.arange(counts[u_axis]), np.arange(counts[v_axis]))
        side = np.zeros((grid_u.size, 3), np.int64)
        side[:, axis] = 0 if sign < 0 else counts[axis] - 1
        side[:, u_axis], side[:, v_axis] = grid_u.ravel(), grid_v.ravel()
        normal = np.zeros((grid_u.size, 3))
        normal[:, axis] = sign
        flip = (sign < 0) != (axis == 1)  # x cross z looks along -y
        ticks.append(side)
        normals.append(normal)
        uv_axes.append(np.tile([u_axis, v_axis], (grid_u.size, 1)))
        faces.append(grid_faces(counts[v_axis], counts[u_axis], flip=flip) + start)
        start += grid_u.size
    return _BoxPlan(*(np.concatenate(part) for part in (ticks, normals, uv_axes, faces)))


def _ticks(half: float, bevel: float, step: float) -> NDArray[np.float64]:
    inner = half - bevel
    ticks = np.linspace(-inner, inner, max(1, math.ceil(2 * inner / step)) + 1)
    if bevel <= 0:
        return ticks
    edge = inner + bevel * np.array([0.45, 1.0])
    return np.concatenate([-edge[::-1], ticks, edge])


def grid_faces(rows: int, columns: int, *, flip: bool = False) -> NDArray[np.int64]:
    """Return the triangles of a grid of `rows` x `columns` vertices, row by row."""
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    quads = np.stack([a, b, c, a, c, d], axis=-1).reshape(-1, 3)
    return quads[:, ::-1] if flip else quads


def sheet(origin: Vec3, along: Vec3, up: Vec3, *, step: float = 0.35, fit: bool = False) -> Mesh:
    """Return a flat sheet spanned by `along` and `up`, seen from the side `along` x `up`."""
    u_vec, v_vec = np.asarray(along, float), np.asarray(up, float)
    u_length, v_length = float(np.linalg.norm(u_vec)), float(np.linalg.norm(v_vec))
    us = np.linspace(0, 1, math.ceil(u_length / step) + 1)
    vs = np.linspace(0, 1, math.ceil(v_length / step) + 1)
    grid = np.stack(np.meshgrid(us, vs), axis=-1).reshape(-1, 2)
    normal = np.cross(u_vec, v_vec)
    normal /= np.linalg.norm(normal)
    return Mesh(
        np.asarray(origin, float) + grid @ np.stack([u_vec, v_vec]),
        np.tile(normal, (len(grid), 1)),
        grid if fit else grid * [u_length, v_length],
        grid_faces(len(vs), len(us)),
    )


def turned(
    profile: Sequence[tuple[float, float]], base: Vec3 = (0.0, 0.0, 0.0), *, segments: int = 16
) -> Mesh:
    """Return a turned shape, as from a lathe: vases, legs, lamps.

    Args:
        profile: Radius and height from the bottom to the top, outer side.
        base: Where height 0 on the axis is.
        segments: Number of facets around.
    """
    angles = np.linspace(0, 2 * math.pi, segments + 1)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    bands = []
    for (r0, z0), (r1, z1) in pairwise(profile):
        slope = np.array([z1 - z0, r0 - r1])
        radial, vertical = slope / max(float(np.linalg.norm(slope)), 1e-9)
        ring = np.concatenate([circle * radial, np.full((len(circle), 1), vertical)], axis=1)
        points = [
            np.column_stack([circle * r, np.full(len(circle), z)]) for r, z in ((r0, z0), (r1, z1))
        ]
        around = angles * max(r0, r1)
        uv = [np.column_stack([around, np.full(len(circle), z)]) for z in (z0, z1)]
        bands.append(
            Mesh(
                np.concatenate(points),
                np.concatenate([ring, ring]),
                np.concatenate(uv),
                grid_faces(2, len(circle)),
            )
        )
    return join(bands).moved(base)


def cylinder(radius: float, height: float, base: Vec3 = (0.0, 0.0, 0.0)) -> Mesh:
    """Return an upright closed cylinder."""
    return turned([(0, 0), (radius, 0), (radius, height), (0, height)], base, segments=14)


def ball(radius: float, center: Vec3, *, squash: float = 1.0) -> Mesh:
    """Return a ball, `squash` times as high as wide."""
    angles = np.linspace(-math.pi / 2, math.pi / 2, 9)
    profile = [(radius * math.cos(a), radius * squash * math.sin(a)) for a in angles]
    return turned(profile, center)


def folds(width: float, height: float, *, depth: float, count: int) -> Mesh:
    """Return hanging cloth with `count` folds, its back edge on y = 0, its foot on z = 0."""
    xs = np.linspace(0, 1, count * 6 + 1)
    zs = np.linspace(0, height, 6)
    phase = 2 * math.pi * count * xs
    y = depth * (1 - np.cos(phase)) / 2
    slope = depth * math.pi * count / width * np.sin(phase)
    grid_x, grid_z = np.meshgrid((xs - 0.5) * width, zs)
    rows = len(zs)
    normals = np.stack([-slope, np.ones_like(xs), np.zeros_like(xs)], axis=-1)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return Mesh(
        np.stack([grid_x.ravel(), np.tile(y, rows), grid_z.ravel()], axis=-1),
        np.tile(normals, (rows, 1)),
        np.stack([grid_x.ravel() * 1.4, grid_z.ravel()], axis=-1),
        grid_faces(rows, len(xs), flip=True),
    )
