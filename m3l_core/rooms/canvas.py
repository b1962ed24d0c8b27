"""A graphics context without a screen, through MuJoCo; one is enough for many rooms."""

from __future__ import annotations

import os
from typing import Any

from m3l_core.errors import M3lError, missing_module

_NO_SCREEN = (
    'rooms: expected a machine that renders without a screen, got {error!r}. Install EGL '
    '(Debian: apt-get install libegl1 libgl1-mesa-dri libgles2), or set MUJOCO_GL=osmesa and '
    'install OSMesa (libosmesa6).'
)


def import_mujoco() -> Any:  # noqa: ANN401 - a module without types
    """Import MuJoCo so that it draws without a screen.

    Raises:
        M3lError: If it is not installed, or the machine has no driver to draw with.
    """
    os.environ.setdefault('MUJOCO_GL', 'egl')
    try:
        import mujoco
    except ModuleNotFoundError as error:
        raise missing_module(error, 'm3l rooms') from None
    except (ImportError, AttributeError, OSError, RuntimeError) as error:
        raise cannot_draw(error) from error
    return mujoco


class Canvas:
    """Where rooms are drawn; use it as a context manager, in one thread.

    Args:
        size: Height and width of the images.

    Attributes:
        size: As given.
        mujoco: The module, ready to draw.

    Raises:
        M3lError: If MuJoCo is not installed, or the machine has no driver to draw with.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self.mujoco = import_mujoco()
        try:
            self._context = self.mujoco.GLContext(size[1], size[0])
            self._context.make_current()
        except (RuntimeError, AttributeError, ImportError, OSError) as error:
            raise cannot_draw(error) from error

    def __enter__(self) -> Canvas:
        return self

    def __exit__(self, *_: object) -> None:
        self._context.free()


def cannot_draw(error: Exception) -> M3lError:
    """Return the error that tells what a machine needs to draw without a screen."""
    first_line = (str(error).splitlines() or [type(error).__name__])[0]
    return M3lError(_NO_SCREEN.format(error=first_line))
