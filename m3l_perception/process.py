"""The process around the node: how it starts, and how it ends whatever happens."""

from __future__ import annotations

import gc
import os
import re
import signal
import sys
import time
from typing import NoReturn, TYPE_CHECKING

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.task import Future
from rclpy.utilities import remove_ros_args

from m3l_core.errors import M3lError
from m3l_perception.compat import middleware_error
from m3l_perception.dds import use_profile

if TYPE_CHECKING:
    from collections.abc import Callable

    from m3l_perception.segment_node import SegmentNode

_THROTTLE_S = 5.0
_SWITCH_S = 0.0005
"""How long one thread may keep the interpreter from another: Python's 5 ms would be half of all
that the node may add to its engine, and threads here have but one or two milliseconds to do."""

_FORM = 'Write: segment --ros-args -p NAME:=VALUE -r FROM:=TO'

_PAUSE_S = 0.01
"""Keeps an error that lasts from taking a whole core."""


def run_node(make_node: Callable[[], SegmentNode], arguments: list[str]) -> int:
    """Run the node until it is told to end (0) or cannot go on (1); 2 if it cannot start.

    It returns only if it could not start: else the process ends here.

    Args:
        make_node: Makes the node once ROS is there.
        arguments: The command line, with the program's name first.
    """
    node, is_ros_up = None, False
    sys.setswitchinterval(_SWITCH_S)
    # rclpy wakes a waiting executor before it shuts the context down. An executor that is quick
    # finds the context still up and waits again, for whatever comes next; an interrupt, which
    # Ctrl-C is anyway, ends the wait for good.
    # What a shell or a script runs in the background ignores SIGINT, with which launch ends nodes.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        use_profile()
        _start_ros(arguments)
        is_ros_up = True
        node = _make(make_node)
        _bring_up(node)
        _spin(node)
        _turn_deaf()  # here, where the interrupt that ended the spin may still arrive
    except M3lError as error:
        print(f'm3l: {error}', file=sys.stderr)
        return 2
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except Exception:  # A signal shuts the context down under whatever runs just then.
        if rclpy.ok() or not is_ros_up:
            raise
    code = _end(node)
    del node
    return _leave(code)


def _start_ros(arguments: list[str]) -> None:
    """Let the command line be read by ROS.

    Raises:
        M3lError: If an argument is refused.
    """
    try:
        unknown = remove_ros_args(arguments)[1:]
        if not unknown:
            rclpy.init(args=arguments)
    except Exception as error:  # of classes that are in a private module
        problem = re.sub(r',? at /\S+:\d+', '', ' '.join(str(error).split()))  # lines of rcl
        raise M3lError(f'segment: refused by ROS: {problem}. {_FORM}') from error
    if unknown:
        raise M3lError(f'segment: expected ROS arguments only, got {" ".join(unknown)}. {_FORM}')


def _make(make_node: Callable[[], SegmentNode]) -> SegmentNode:
    """Return the node, not yet configured.

    Raises:
        M3lError: If a parameter is refused.
    """
    try:
        return make_node()
    except RuntimeError as error:  # rclpy, of a QoS override that is none
        if not rclpy.ok():
            raise
        raise M3lError(f'segment: {" ".join(str(error).split())}') from error


def _bring_up(node: SegmentNode) -> None:
    """Configure and activate the node, if it is to do that by itself."""
    if (
        node.parameters.node.autostart
        and node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    ):
        node.trigger_activate()


def _spin(node: SegmentNode) -> None:
    """Spin until the node fails or the context ends, whatever a message does to the middleware.

    Fast DDS drops bytes that are no message; others tell rclpy, which would end the spin.
    """
    refused = middleware_error()
    # A future for each spin, as each adds a callback to its own for good.
    over: Future[None] = Future()
    node.failed.add_done_callback(lambda _: over.set_result(None))
    while True:
        over = Future()
        # rclpy returns, rather than raises, when the context ends while a callback runs.
        if node.failed.done() or not rclpy.ok():
            return
        try:
            rclpy.spin_until_future_complete(node, over)
        except refused as error:
            if not rclpy.ok():
                raise
            problem = ' '.join(str(error).split())
            node.get_logger().error(f'middleware: {problem}', throttle_duration_sec=_THROTTLE_S)
            time.sleep(_PAUSE_S)


def _end(node: SegmentNode | None) -> int:
    """Release everything and return the exit code; None is a node that a signal forestalled."""
    _turn_deaf()
    if node is None:
        rclpy.try_shutdown()
        return 0
    code = 1 if node.failed.done() else 0
    node.release()
    node.destroy_node()
    # A thread that is still loading knows the node, and must not keep it in the ROS graph.
    node.__dict__.clear()
    rclpy.try_shutdown()
    return code


def _turn_deaf() -> None:
    """Let a second Ctrl-C (the shell's and launch's often come together) not cut the end short.

    The system is not told to ignore it: of one that is just on its way Python would complain.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)


def _leave(code: int) -> NoReturn:
    """End the process without what libraries do in a normal exit.

    That takes them half a second, and one that is still loading on the other thread would crash.
    """
    gc.collect()  # the node's part in the ROS graph: others learn at once that it has left
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
