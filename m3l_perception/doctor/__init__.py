"""Say why no labels come: engines, network, topics, stamps, QoS and the node, in words.

Listens to the ROS graph for a few seconds, as the node would, and asks the node itself. Ends with
0 if labels can come (the node may still have to be started), with 1 if something stops them.

  m3l doctor
  m3l doctor --rgb /camera/color/image_raw --depth /camera/aligned_depth_to_color/image_raw
  m3l doctor --node /front/m3l_segment --json
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
import sys
from typing import TYPE_CHECKING

from m3l_core.errors import M3lError
from m3l_perception import missing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from m3l_perception.doctor.facts import Facts

STOPPED = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument('--seconds', type=float, default=5.0, help='how long to listen (5)')
    parser.add_argument(
        '--rgb', metavar='TOPIC', help='color topic (default: the one of the node)'
    )
    parser.add_argument('--depth', metavar='TOPIC', help='depth topic (likewise)')
    parser.add_argument('--node', metavar='NAME', help='full name of the node, if there are more')
    parser.add_argument(
        '--model', type=Path, help='exported network (default: that of the node, or the shipped)'
    )
    parser.add_argument('--json', action='store_true', help='print facts and findings as JSON')


def run(arguments: argparse.Namespace) -> int:
    """Examine, print, and return 0 if labels can come, 1 if not."""
    from m3l_perception.doctor.judging import can_label, judge
    from m3l_perception.doctor.printing import as_json, as_text

    if not 0 < arguments.seconds <= 3600:
        raise M3lError(f'--seconds: expected more than 0, at most 3600, got {arguments.seconds}.')
    facts = _facts(arguments)
    findings = judge(facts)
    if arguments.json:
        print(as_json(facts, findings))
    else:
        print(as_text(findings, color=sys.stdout.isatty() and 'NO_COLOR' not in os.environ))
    return 0 if can_label(findings) else STOPPED


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command by itself, as `ros2 run m3l_perception doctor` does."""
    parser = argparse.ArgumentParser(
        prog='doctor', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    try:
        return run(parser.parse_args(argv))
    except M3lError as error:
        print(f'm3l: {error}', file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        print(missing.told(error, 'doctor'), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _facts(arguments: argparse.Namespace) -> Facts:
    from importlib.util import find_spec

    from m3l_core.models import named_model
    from m3l_perception.doctor.computer import examine
    from m3l_perception.doctor.facts import Facts

    environment = dict(os.environ)  # as the user has set it: listening brings its own profile
    graph = None
    if find_spec('rclpy') is not None:
        from m3l_perception.doctor.listening import listen

        print(f'Listening for {arguments.seconds:g} s ...', file=sys.stderr)
        graph = listen(
            seconds=arguments.seconds,
            rgb=arguments.rgb,
            depth=arguments.depth,
            node_name=arguments.node,
        )
    asked = graph.segment.parameters if graph is not None and graph.segment is not None else {}
    model = arguments.model or named_model(asked.get('model', ''))
    computer = examine(model, asked.get('backend', 'auto'), environment)
    return Facts(computer=computer, graph=graph)
