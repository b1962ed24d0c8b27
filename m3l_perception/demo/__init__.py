"""Watch labels go on while cameras are killed: a real node, a bag, real processes.

Plays a bag into the node over DDS, with one process for each camera stream; kills depth with
SIGKILL and brings it back, then RGB; then prints the longest gap between labels at each change
against what is promised, and draws a picture. Ends with 0 only if every promise was kept.

  m3l demo
  m3l demo --bag my_bag --out out/my_bag
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

BROKEN_PROMISE = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument('--bag', type=Path, help='a bag with RGB and depth (default: sample bag)')
    parser.add_argument('--model', type=Path, help='an exported network (default: the shipped)')
    parser.add_argument(
        '--out', type=Path, default=Path('out/demo'), help='where pictures go (out/demo)'
    )
    parser.add_argument(
        '--seconds', type=float, default=5.0, help='length of each of the five phases (5)'
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; 0 if every promise was kept, 1 if not."""
    from m3l_perception.demo.scenario import run_scenario

    return 0 if run_scenario(arguments) else BROKEN_PROMISE
