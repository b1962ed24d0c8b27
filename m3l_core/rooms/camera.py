"""Where the camera is: single views of a room, and a hand-held walk through it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from m3l_core.errors import DataError
from m3l_core.rooms.render import Pose

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from m3l_core.rooms.room import Room

_CLEARANCE_M = 0.3
"""Least distance from the camera to walls and to furniture that reaches up to it."""


def looking_at(
    position: NDArray[np.float64], target: NDArray[np.float64], roll: float = 0.0
) -> Pose:
    """Return the pose at `position` that has `target` in the middle of the image."""
    backward = position - target
    backward = backward / np.linalg.norm(backward)
    right = np.cross((0.0, 0.0, 1.0), backward)
    right /= np.linalg.norm(right)
    up = np.cross(backward, right)
    right, up = (
        np.cos(roll) * right + np.sin(roll) * up,
        np.cos(roll) * up - np.sin(roll) * right,
    )
    return Pose(position, np.stack([right, up, backward], axis=1))


def is_free(room: Room, position: NDArray[np.float64]) -> bool:
    """Whether a camera fits there."""
    x, y, z = position
    inside = (
        _CLEARANCE_M < x < room.width - _CLEARANCE_M
        and _CLEARANCE_M < y < room.depth - _CLEARANCE_M
        and 0.3 < z < room.height - 0.3
    )
    return bool(inside) and all(
        print_.distance(x, y) > _CLEARANCE_M or print_.height + 0.25 < z
        for print_ in room.footprints
    )


def random_pose(room: Room, rng: np.random.Generator) -> Pose:
    """Return a view from free space toward some piece, as people hold cameras.

    Raises:
        DataError: If the room has no free space; furnish another.
    """
    for _ in range(200):
        position = np.array([
            rng.uniform(0.3, room.width - 0.3),
            rng.uniform(0.3, room.depth - 0.3),
            np.clip(rng.normal(1.35, 0.3), 0.6, 1.9),
        ])  # fmt: skip
        target = _target(room, rng)
        distance = float(np.hypot(*(target - position)[:2]))
        if is_free(room, position) and distance > 0.9:
            return looking_at(position, target, rng.normal(0, 0.05))
    raise DataError('room: expected free space for a camera, got none. Use another seed.')


def _target(room: Room, rng: np.random.Generator) -> NDArray[np.float64]:
    pieces = [piece for piece in room.footprints if piece.height > 0]
    if not pieces or rng.random() < 0.15:
        return np.array([rng.uniform(0, room.width), rng.uniform(0, room.depth),
                         rng.uniform(0.3, 1.9)])  # fmt: skip
    piece = pieces[int(rng.integers(len(pieces)))]
    height = piece.height * rng.uniform(0.2, 1.3)
    return np.array([*piece.center, height]) + rng.normal(0, 0.2, 3)


def walk(room: Room, seconds: float, rng: np.random.Generator) -> list[Pose]:
    """Return poses every millisecond of a hand-held walk that keeps to free space.

    Raises:
        DataError: If no such walk was found; furnish another room.
    """
    times = np.arange(0, seconds + 0.05, 1e-3)
    for _ in range(400):
        knots = np.stack([random_pose(room, rng).position for _ in range(3)])
        knots[:, 2] = np.clip(knots[:, 2], 1.1, 1.6)
        length = float(np.linalg.norm(np.diff(knots, axis=0), axis=1).sum())
        if not 0.15 * seconds < length < 0.45 * seconds:
            continue
        positions = _bent(knots, times / seconds) + _sway(times, 0.012, rng)
        if not all(is_free(room, position) for position in positions[::50]):
            continue
        targets = _bent(np.stack([_target(room, rng) for _ in range(3)]), times / seconds)
        targets[:, 2] = np.clip(targets[:, 2], 0.75, 1.4)
        targets += _sway(times, 0.03, rng)
        if _is_calm(positions, targets):
            rolls = _sway(times, 0.02, rng)[:, 0]
            return [
                looking_at(position, target, float(roll))
                for position, target, roll in zip(positions, targets, rolls, strict=True)
            ]
    raise DataError('room: expected a free way for a camera, found none. Use another seed.')


def _is_calm(positions: NDArray[np.float64], targets: NDArray[np.float64]) -> bool:
    """Whether the camera keeps its distance and turns no faster than 40 degrees a second."""
    ahead = targets - positions
    flat = np.linalg.norm(ahead[:, :2], axis=1)
    if flat.min() < 1.1:
        return False
    heading = np.unwrap(np.arctan2(ahead[:, 1], ahead[:, 0]))[::100]
    turned = np.abs(np.diff(heading))
    return bool(turned.max() < np.deg2rad(4.0))


def _bent(knots: NDArray[np.float64], share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a smooth curve from the first knot past the second to the third."""
    s = np.clip(share, 0, 1)[:, None]
    curve: NDArray[np.float64] = (
        (1 - s) ** 2 * knots[0] + 2 * s * (1 - s) * knots[1] + s**2 * knots[2]
    )
    return curve


def _sway(
    times: NDArray[np.float64], size: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return `(T, 3)` slow waves as a hand and a step make them."""
    sway = np.zeros((len(times), 3))
    for frequency in (0.4, 0.9, 1.7):
        phase = rng.uniform(0, 2 * np.pi, 3)
        sway += size / (frequency + 0.6) * np.sin(2 * np.pi * frequency * times[:, None] + phase)
    return sway
