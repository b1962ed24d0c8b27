from __future__ import annotations

import numpy as np
import pytest

from m3l_core.rooms.camera import is_free, random_pose, walk
from m3l_core.rooms.layout import furnish
from m3l_core.rooms.piece import CLASS_ID
from m3l_core.rooms.room import Room

SEEDS = range(8)


def room_of(seed: int, kind: str | None = None) -> Room:
    return furnish(np.random.default_rng(seed), kind)


@pytest.mark.parametrize('seed', SEEDS)
def test_the_same_seed_gives_the_same_room(seed: int) -> None:
    one, other = room_of(seed), room_of(seed)
    assert len(one.parts) == len(other.parts)
    for part, same in zip(one.parts, other.parts, strict=True):
        assert part.label == same.label
        np.testing.assert_array_equal(part.mesh.vertices, same.mesh.vertices)
        np.testing.assert_array_equal(part.surface.image, same.surface.image)


@pytest.mark.parametrize('seed', SEEDS)
def test_furniture_stands_inside_the_walls(seed: int) -> None:
    room = room_of(seed)
    for spot in room.footprints:
        assert -0.01 <= spot.x0 < spot.x1 <= room.width + 0.01
        assert -0.01 <= spot.y0 < spot.y1 <= room.depth + 0.01


@pytest.mark.parametrize('seed', SEEDS)
def test_every_normal_has_length_one(seed: int) -> None:
    for part in room_of(seed).parts:
        np.testing.assert_allclose(np.linalg.norm(part.mesh.normals, axis=1), 1, atol=1e-6)


def test_a_few_rooms_hold_all_thirteen_classes() -> None:
    labels = {part.label for seed in SEEDS for part in room_of(seed).parts}
    assert labels == set(CLASS_ID)


@pytest.mark.parametrize(('kind', 'label'), [('bedroom', 'bed'), ('living', 'sofa')])
def test_most_rooms_have_what_their_kind_is_for(kind: str, label: str) -> None:
    having = [label in {part.label for part in room_of(seed, kind).parts} for seed in SEEDS]
    assert sum(having) > len(SEEDS) / 2


@pytest.mark.parametrize('seed', SEEDS)
def test_single_views_are_from_free_space(seed: int) -> None:
    room = room_of(seed)
    pose = random_pose(room, np.random.default_rng(seed))
    assert is_free(room, pose.position)
    np.testing.assert_allclose(pose.axes @ pose.axes.T, np.eye(3), atol=1e-9)


def test_a_walk_keeps_to_free_space_and_moves_smoothly() -> None:
    room = room_of(60, 'studio')
    poses = walk(room, 4.0, np.random.default_rng(1))
    assert len(poses) > 4000
    positions = np.stack([pose.position for pose in poses])
    assert all(is_free(room, position) for position in positions[::50])
    speed_m_s = np.linalg.norm(np.diff(positions, axis=0), axis=1) / 1e-3
    assert speed_m_s.max() < 1.0
    assert np.linalg.norm(positions[-1] - positions[0]) > 0.1
