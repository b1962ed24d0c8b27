"""Pictures of a room: color, depth and the class of each pixel, without a sensor's faults."""

from __future__ import annotations

from dataclasses import dataclass
import math
from typing import TYPE_CHECKING

import numpy as np

from m3l_core.rooms.canvas import cannot_draw
from m3l_core.rooms.scene import compile_room, FAR_M, NEAR_M

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from m3l_core.rooms.canvas import Canvas
    from m3l_core.rooms.room import Room


@dataclass(frozen=True, eq=False)
class Pose:
    """Where a camera is and which way it looks.

    Attributes:
        position: `(3,)` meters.
        axes: `(3, 3)`; columns are the camera's right, up and backward in the room.
    """

    position: NDArray[np.float64]
    axes: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class View:
    """What an ideal camera sees.

    Attributes:
        rgb: `(H, W, 3)` uint8.
        depth_m: `(H, W)` float32 along the optical axis.
        labels: `(H, W)` uint8 classes, 255 where nothing is.
    """

    rgb: NDArray[np.uint8]
    depth_m: NDArray[np.float32]
    labels: NDArray[np.uint8]


class RoomRenderer:
    """Draws one room; use it as a context manager, as it holds graphics memory.

    Args:
        room: What to draw.
        canvas: Where to draw; at most one renderer at a time.
        fovy_deg: Vertical opening angle.
        rng: Draws the lamps.

    Attributes:
        focal_px: Focal length; pixels are square, and the middle of the image is on the axis.

    Raises:
        M3lError: If the machine cannot draw after all.
    """

    def __init__(
        self, room: Room, canvas: Canvas, *, fovy_deg: float, rng: np.random.Generator
    ) -> None:
        mujoco = self._mujoco = canvas.mujoco
        self._size = canvas.size
        self.focal_px = self._size[0] / 2 / math.tan(math.radians(fovy_deg) / 2)
        self._model, self._labels = compile_room(
            mujoco, room, canvas.size, fovy_deg=fovy_deg, rng=rng
        )
        self._data = mujoco.MjData(self._model)
        mujoco.mj_forward(self._model, self._data)
        self._scene = mujoco.MjvScene(self._model, maxgeom=self._model.ngeom + 20)
        self._options, self._camera = mujoco.MjvOption(), mujoco.MjvCamera()
        self._camera.type, self._camera.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, 0
        try:
            self._context = mujoco.MjrContext(self._model, mujoco.mjtFontScale.mjFONTSCALE_50)
        except mujoco.FatalError as error:
            raise cannot_draw(error) from error
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._context.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR

    def __enter__(self) -> RoomRenderer:
        return self

    def __exit__(self, *_: object) -> None:
        self._context.free()

    def view(self, pose: Pose) -> View:
        """Return color, depth and labels from a pose."""
        self._look(pose)
        rgb = np.empty((*self._size, 3), np.uint8)
        self._draw(rgb, None)
        labels, depth_m = self._geometry()
        return View(np.ascontiguousarray(rgb[::-1]), depth_m, labels)

    def geometry(self, pose: Pose) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Return labels and depth from a pose, at a small part of the cost of color."""
        self._look(pose)
        return self._geometry()

    def _look(self, pose: Pose) -> None:
        self._data.cam_xpos[0] = pose.position
        self._data.cam_xmat[0] = pose.axes.ravel()
        self._mujoco.mjv_updateScene(
            self._model, self._data, self._options, None, self._camera,
            self._mujoco.mjtCatBit.mjCAT_ALL, self._scene,
        )  # fmt: skip

    def _draw(self, rgb: NDArray[np.uint8], depth: NDArray[np.float32] | None) -> None:
        area = self._mujoco.MjrRect(0, 0, self._size[1], self._size[0])
        self._mujoco.mjr_render(area, self._scene, self._context)
        self._mujoco.mjr_readPixels(rgb, depth, area, self._context)

    def _geometry(self) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        flags, names = self._scene.flags, self._mujoco.mjtRndFlag
        flags[names.mjRND_SEGMENT] = flags[names.mjRND_IDCOLOR] = True
        codes, buffer = np.empty((*self._size, 3), np.uint8), np.empty(self._size, np.float32)
        self._draw(codes, buffer)
        flags[names.mjRND_SEGMENT] = flags[names.mjRND_IDCOLOR] = False
        # Colors count what is drawn from 1; lamps and the camera are not drawn, so geoms are.
        number = codes[::-1].astype(np.int64) @ (1, 256, 65536)
        depth = NEAR_M * FAR_M / (buffer[::-1].astype(np.float64) * (FAR_M - NEAR_M) + NEAR_M)
        return self._labels[number - 1], depth.astype(np.float32)
