"""A furnished room as a MuJoCo model: one mesh for each class and surface, and the lamps."""

from __future__ import annotations

from typing import Any, TYPE_CHECKING

import numpy as np

from m3l_core.classes import IGNORE
from m3l_core.rooms.mesh import join
from m3l_core.rooms.piece import CLASS_ID

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from m3l_core.rooms.mesh import Mesh
    from m3l_core.rooms.piece import Part, Surface
    from m3l_core.rooms.room import Room

NEAR_M, FAR_M = 0.05, 30.0
"""Nothing nearer or farther is drawn."""


def compile_room(
    mujoco: Any,  # noqa: ANN401 - a module without types
    room: Room,
    size: tuple[int, int],
    *,
    fovy_deg: float,
    rng: np.random.Generator,
) -> tuple[Any, NDArray[np.uint8]]:
    """Return MuJoCo's model of a room, and the class of each geom, then that of nothing.

    Args:
        mujoco: The module.
        room: What to build.
        size: Height and width of the images.
        fovy_deg: Vertical opening angle of the camera.
        rng: Draws the strength and color of the lamps.
    """
    spec = mujoco.MjSpec()
    spec.visual.global_.offheight, spec.visual.global_.offwidth = size
    spec.visual.quality.shadowsize = 1024
    spec.visual.map.znear, spec.visual.map.zfar = NEAR_M, FAR_M
    spec.stat.extent = 1.0  # near and far are given in units of it
    spec.worldbody.add_camera(name='camera', fovy=fovy_deg)
    groups: dict[tuple[str, int], list[Part]] = {}
    for part in room.parts:
        groups.setdefault((part.label, id(part.surface)), []).append(part)
    materials: dict[int, str] = {}
    labels = []
    for index, ((label, key), parts) in enumerate(groups.items()):
        surface = parts[0].surface
        if key not in materials:
            materials[key] = _add_material(mujoco, spec, f'surface{len(materials)}', surface)
        mesh = join([part.mesh for part in parts])
        _add_mesh(mujoco, spec, f'mesh{index}', mesh, materials[key], surface.tile_m)
        labels.append(CLASS_ID[label])
    _add_lights(mujoco, spec, room, rng)
    return spec.compile(), np.array([*labels, IGNORE], np.uint8)


def _add_material(mujoco: Any, spec: Any, name: str, surface: Surface) -> str:  # noqa: ANN401
    texture = spec.add_texture(
        name=name,
        type=mujoco.mjtTexture.mjTEXTURE_2D,
        height=surface.image.shape[0],
        width=surface.image.shape[1],
        nchannel=3,
    )
    # The first row of a texture is its lowest, that of an image its highest.
    texture.data = np.ascontiguousarray(surface.image[::-1]).tobytes()
    material = spec.add_material(
        name=name, specular=surface.shine, shininess=0.5, emission=surface.glow
    )
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name
    return name


def _add_mesh(
    mujoco: Any,  # noqa: ANN401
    spec: Any,  # noqa: ANN401
    name: str,
    mesh: Mesh,
    material: str,
    tile_m: float,
) -> None:
    faces = mesh.faces.ravel()
    spec.add_mesh(
        name=name,
        uservert=mesh.vertices.ravel(),
        usernormal=mesh.normals.ravel(),
        usertexcoord=(mesh.uv / tile_m).ravel(),
        userface=faces,
        userfacenormal=faces,
        userfacetexcoord=faces,
        inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL,  # sheets enclose no volume
    )
    spec.worldbody.add_geom(
        type=mujoco.mjtGeom.mjGEOM_MESH,
        meshname=name,
        material=material,
        contype=0,
        conaffinity=0,
        mass=0,
    )


def _add_lights(mujoco: Any, spec: Any, room: Room, rng: np.random.Generator) -> None:  # noqa: ANN401
    """Add ceiling lamps, light from the windows, and what the walls throw back."""
    warm = np.array([1.0, rng.uniform(0.85, 1.0), rng.uniform(0.65, 1.0)])
    cool = np.array([rng.uniform(0.8, 1.0), rng.uniform(0.9, 1.0), 1.0])
    spec.visual.headlight.ambient = rng.uniform(0.3, 0.5) * (warm + cool) / 2
    spec.visual.headlight.diffuse = np.full(3, rng.uniform(0.0, 0.12))
    spec.visual.headlight.specular = np.zeros(3)
    power = rng.uniform(0.6, 0.95) / len(room.lights)
    for index, place in enumerate(room.lights):
        spec.worldbody.add_light(
            type=mujoco.mjtLightType.mjLIGHT_SPOT,
            pos=place,
            dir=(0, 0, -1),
            cutoff=90,
            exponent=0.5,
            diffuse=power * warm,
            specular=0.4 * power * warm,
            castshadow=index == 0,  # each shadow draws the room twice more
            attenuation=(1, 0, rng.uniform(0.0, 0.06)),
        )
    middle = np.array([room.width / 2, room.depth / 2, 0.4])
    for place in room.windows:
        spec.worldbody.add_light(
            type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
            pos=place,
            dir=middle - np.asarray(place),
            diffuse=rng.uniform(0.15, 0.45) * cool,
            specular=np.zeros(3),
            castshadow=False,
        )
