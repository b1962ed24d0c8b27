"""What to install where a library is missing, for the programs that `ros2 run` starts."""

from __future__ import annotations

_OURS = ('cv2', 'numpy', 'yaml')
"""What the package itself asks for, whatever ROS there is."""


def told(error: ModuleNotFoundError, program: str) -> str:
    """Return in a line what a program of ours lacks.

    Raises:
        ModuleNotFoundError: If it is a module of this package: a defect, nothing to install.
    """
    module = (error.name or '').split('.')[0]
    if module.startswith('m3l_'):
        raise error
    remedy = (
        'Run rosdep install in the workspace, or install m3l_perception with pip.'
        if module in _OURS
        else 'Source a ROS 2 distribution, or run: pip install "m3l_perception[ros]"'
    )
    return f'm3l: {program} needs {module}, which is not installed. {remedy}'
