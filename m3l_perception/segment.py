"""The entry of the node, which tells what to install where something is missing."""

from __future__ import annotations

import signal
import sys

_OURS = ('cv2', 'numpy', 'yaml')
"""What the package itself asks for, whatever ROS there is."""


def main() -> int:
    """Run the node; 0 if it is told to end before it is there, 2 if it cannot be run here."""
    for number in (signal.SIGINT, signal.SIGTERM):  # the first is ignored in the background
        signal.signal(number, signal.default_int_handler)
    try:
        from m3l_perception import segment_node
    except KeyboardInterrupt:
        return 0
    except ModuleNotFoundError as error:
        module = (error.name or '').split('.')[0]
        if module.startswith('m3l_'):  # ours: a defect, nothing to install
            raise
        remedy = (
            'Run rosdep install in the workspace, or install m3l_perception with pip.'
            if module in _OURS
            else 'Source a ROS 2 distribution, or run: pip install "m3l_perception[ros]"'
        )
        print(f'm3l: segment needs {module}, which is not installed. {remedy}', file=sys.stderr)
        return 2
    return segment_node.main()
