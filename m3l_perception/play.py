"""Play a bag as live ROS topics, stamped as if it were recorded now."""

from __future__ import annotations

import argparse
from contextlib import closing, suppress
from importlib import import_module
import math
from pathlib import Path
import signal
import sys
import time
from typing import Any, NoReturn, TYPE_CHECKING

from m3l_core.errors import BagError, M3lError, missing_module
from m3l_perception.cdr_stamp import with_stamp
from m3l_perception.dds import use_profile
from m3l_perception.timeline import Drop, Timeline

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rclpy.node import Node
    from rclpy.publisher import Publisher

    from m3l_core.bags.raw import RawMessage
    from m3l_core.bags.reading import Bag

_WORDS = ('rgb', 'depth', 'camera_info', 'labels')
"""What may be said instead of a topic's name."""

_DISCOVERY_S = 3.5
"""Longest wait for subscribers, so that they get the first messages too: by default Fast DDS
announces a process every 3 s, and not every announcement is answered."""

_GRACE_S = 0.5
"""Wait for the other topics after one was found to be heard."""

_DELIVERY_S = 1.0
"""Longest wait at the end for subscribers to have the last messages."""

_LATE_NS = 50_000_000
"""Messages due longer ago than this at the start were played before; see --origin."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.description = (
        'Publish the messages of a bag on their topics, reliably, in real time. Header stamps\n'
        'are shifted to now; the times between them stay.'
    )
    parser.add_argument('bag', type=Path, help='rosbag2 folder, .mcap or .db3 file')
    parser.add_argument(
        '--topics',
        nargs='+',
        metavar='TOPIC',
        help='play only these: names, or rgb, depth, camera_info, labels (default: all)',
    )
    parser.add_argument(
        '--rate', type=float, default=1.0, help='play this much faster; stamps too (default: 1)'
    )
    parser.add_argument(
        '--loop',
        nargs='?',
        choices=('continue', 'jump'),
        const='continue',
        default='once',
        help='start again at the end: stamps go on, or with --loop=jump go back to the first',
    )
    parser.add_argument(
        '--drop',
        action='append',
        default=[],
        metavar='TOPIC:FROM..TO',
        help='leave a topic out for a while, in seconds of the bag: depth:3s..6s; repeatable',
    )
    parser.add_argument(
        '--origin',
        type=float,
        metavar='SECONDS',
        help='UNIX time at which the bag starts (default: now); players with one origin keep '
        'step, what is past is skipped',
    )
    parser.add_argument(
        '--ros-args', nargs=argparse.REMAINDER, default=[], help='the rest is for ROS'
    )


def run(arguments: argparse.Namespace) -> int:
    """Play until the end of the bag; Ctrl-C or SIGTERM ends it at any time, as it should."""
    for number in (signal.SIGINT, signal.SIGTERM):  # the first is ignored in the background
        signal.signal(number, _interrupt)
    from m3l_core.bags.reading import Bag

    if not 0 < arguments.rate < math.inf:
        raise M3lError(f'--rate: expected a number above 0, got {arguments.rate:g}.')
    if arguments.origin is not None and not math.isfinite(arguments.origin):
        raise M3lError(f'--origin: expected a time in seconds, got {arguments.origin:g}.')
    drops = [Drop.parse(text) for text in arguments.drop]
    with Bag(arguments.bag) as bag:
        if bag.path.suffix == '.bag':
            raise BagError(
                f'{bag.path}: expected a ROS 2 bag, got one of ROS 1. Run: rosbags-convert'
            )
        topics = _resolved(bag, arguments.topics or list(bag.topics))
        drops = [Drop(_resolved(bag, [d.what])[0], d.first_s, d.last_s) for d in drops]
        player = Player(bag, topics, drops, arguments.ros_args)
        # Under launch, any other code than 0 would read "process has died".
        with closing(player), suppress(KeyboardInterrupt):
            player.wait_for_subscribers()
            player.play(_timeline(bag, arguments))
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command by itself, as `ros2 run m3l_perception play` does."""
    parser = argparse.ArgumentParser(prog='play')
    add_arguments(parser)
    try:
        return run(parser.parse_args(argv))
    except M3lError as error:
        print(f'm3l: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0


class Player:
    """Publishes serialized messages on time.

    Args:
        bag: Where they come from.
        topics: Names of those to play.
        drops: When to be silent on which.
        ros_args: Remappings and the like.

    Raises:
        M3lError: If rclpy is missing, or no topic has a message type known here.
    """

    def __init__(
        self, bag: Bag, topics: list[str], drops: list[Drop], ros_args: list[str]
    ) -> None:
        use_profile()
        try:
            import rclpy
            from rclpy.signals import SignalHandlerOptions
        except ModuleNotFoundError as error:
            raise missing_module(error, 'm3l play') from error
        # Python's own Ctrl-C interrupts a sleep at once, rclpy's would not.
        try:
            rclpy.init(
                args=['--ros-args', *ros_args], signal_handler_options=SignalHandlerOptions.NO
            )
        except Exception as error:  # RCLInvalidROSArgsError is in a private module
            raise M3lError(f'--ros-args: {" ".join(str(error).split())}') from error
        self._bag = bag
        self._drops = drops
        self._node: Node = rclpy.create_node('m3l_play', start_parameter_services=False)
        self._stamped: set[str] = set()
        self._to_wall_ns = 0
        self._publishers: dict[str, Publisher[Any]] = {}
        for topic in topics:
            self._add_publisher(topic)
        if not self._publishers:
            self.close()
            raise BagError(
                f'{bag.path}: expected message types that are installed, got none among '
                f'{", ".join(topics)}. Install their packages.'
            )

    def wait_for_subscribers(self) -> None:
        """Wait, for a short while, until the topics are heard that will be."""
        end = time.monotonic() + _DISCOVERY_S
        heard = 0
        while time.monotonic() < end and heard < len(self._publishers):
            before = heard
            heard = sum(p.get_subscription_count() > 0 for p in self._publishers.values())
            if heard > before:
                end = time.monotonic() + _GRACE_S
            time.sleep(0.02)

    def play(self, timeline: Timeline) -> None:
        """Publish every message when it is due, pass after pass."""
        print(
            f'Playing {", ".join(self._publishers)}; header stamps are shifted to now.',
            file=sys.stderr,
        )
        start_ns = time.time_ns()
        self._to_wall_ns = start_ns - time.monotonic_ns()
        is_searching = False
        for number, raw in self._messages(timeline, start_ns):
            due_ns = timeline.due_ns(raw.receive_ns, number)
            # Searching the place to begin at takes time itself. What is due meanwhile would come
            # late and in a burst, as from no camera.
            begin_ns = time.monotonic_ns() + self._to_wall_ns if is_searching else start_ns
            is_searching = due_ns < begin_ns - _LATE_NS
            if is_searching:
                continue
            self._sleep_until(due_ns)
            self._publish(raw, timeline, number)
        self._wait_for_delivery()

    def _sleep_until(self, wall_ns: int) -> None:
        """Sleep on the steady clock, so that a step of the wall clock changes nothing."""
        remaining_ns = wall_ns - self._to_wall_ns - time.monotonic_ns()
        if remaining_ns > 0:
            time.sleep(remaining_ns / 1e9)

    def close(self) -> None:
        """Leave the ROS graph."""
        import rclpy

        self._node.destroy_node()
        rclpy.try_shutdown()

    def _add_publisher(self, topic: str) -> None:
        type_name = self._bag.topics[topic].type
        try:
            package, _, name = type_name.split('/')
            message_type = getattr(import_module(f'{package}.msg'), name)
        except (ValueError, ModuleNotFoundError, AttributeError):
            print(f'm3l: {topic} is left out: {type_name} is not installed.', file=sys.stderr)
            return
        # Reliable, and deep enough that a subscriber may sleep through a burst.
        self._publishers[topic] = self._node.create_publisher(message_type, topic, 10)
        fields = list(message_type.get_fields_and_field_types().items())
        if fields and fields[0] == ('header', 'std_msgs/Header'):
            self._stamped.add(topic)

    def _wait_for_delivery(self) -> None:
        from rclpy.duration import Duration

        for publisher in self._publishers.values():
            publisher.wait_for_all_acked(Duration(seconds=_DELIVERY_S))

    def _messages(self, timeline: Timeline, now_ns: int) -> Iterator[tuple[int, RawMessage]]:
        """Yield the number of the pass and each message of it that is not dropped."""
        number = timeline.pass_at(now_ns)
        while True:
            is_silent = True
            for raw in self._bag.raw_messages(self._publishers):
                at_ns = raw.receive_ns - timeline.start_ns
                if not any(d.what == raw.topic and d.hides(at_ns) for d in self._drops):
                    is_silent = False
                    yield number, raw
            if timeline.loop == 'once':
                return
            if is_silent:  # Nothing to wait for: do not search the bag at full speed.
                self._sleep_until(timeline.due_ns(timeline.start_ns, number + 1))
            number += 1

    def _publish(self, raw: RawMessage, timeline: Timeline, number: int) -> None:
        data = bytes(raw.data)
        if raw.topic in self._stamped:
            data = with_stamp(data, lambda stamp_ns: timeline.stamp_ns(stamp_ns, number))
        self._publishers[raw.topic].publish(data)


def _timeline(bag: Bag, arguments: argparse.Namespace) -> Timeline:
    busiest = max(topic.count for topic in bag.topics.values())
    period_ns = bag.duration_ns // max(busiest - 1, 1)
    origin_s = arguments.origin
    return Timeline(
        start_ns=bag.start_ns,
        pass_ns=max(bag.duration_ns + period_ns, 1),
        origin_ns=time.time_ns() if origin_s is None else round(origin_s * 1e9),
        rate=arguments.rate,
        loop=arguments.loop,
    )


def _resolved(bag: Bag, wanted: list[str]) -> list[str]:
    """Return the topic names meant by names and words.

    Raises:
        BagError: If the bag lacks one.
    """
    from m3l_core.bags.topics import guess_topics

    guessed = guess_topics(bag)
    names = []
    for word in wanted:
        name = getattr(guessed, word) if word in _WORDS else word
        if name is None:
            raise BagError(
                f'{bag.path}: expected a topic of {word} images, got '
                f'{", ".join(bag.topics)}. Name the topic.'
            )
        names.append(name)
    bag.expect_topics(names)
    return names


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == '__main__':
    sys.exit(main())
