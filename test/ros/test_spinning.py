"""How the process spins its node, with a node that does next to nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rclpy
from rclpy.node import Node
from rclpy.task import Future

from m3l_perception.compat import middleware_error
from m3l_perception.process import _spin

REFUSALS = 5


class CountingFuture(Future):  # type: ignore[misc]  # rclpy is not typed everywhere
    """Counts who wants to be told that it is done."""

    told = 0

    def add_done_callback(self, callback: Callable[..., Any]) -> None:
        self.told += 1
        super().add_done_callback(callback)


class Refusing(Node):  # type: ignore[misc]
    """Meets a middleware that refuses some messages, and then fails."""

    def __init__(self) -> None:
        super().__init__('refusing')
        self.failed = CountingFuture()
        self.refused = 0
        self.create_timer(0.001, self._take)

    def _take(self) -> None:
        if self.refused == REFUSALS:
            self.failed.set_result('the engine is gone')
            return
        self.refused += 1
        raise middleware_error()('no message')


def test_refused_messages_leave_nothing_behind() -> None:
    node = Refusing()
    try:
        _spin(node)  # type: ignore[arg-type]
    finally:
        rclpy.get_global_executor().remove_node(node)
        node.destroy_node()
    assert node.refused == REFUSALS
    assert node.failed.told == 1
