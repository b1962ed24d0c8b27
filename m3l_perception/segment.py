"""The entry of the node, which tells what to install where something is missing."""

from __future__ import annotations

import signal
import sys

from m3l_perception import missing


def main() -> int:
    """Run the node; 0 if it is told to end before it is there, 2 if it cannot be run here."""
    for number in (signal.SIGINT, signal.SIGTERM):  # the first is ignored in the background
        signal.signal(number, signal.default_int_handler)
    try:
        from m3l_perception import segment_node
    except KeyboardInterrupt:
        return 0
    except ModuleNotFoundError as error:
        print(missing.told(error, 'segment'), file=sys.stderr)
        return 2
    return segment_node.main()
