"""Names that differ between the ROS 2 distributions; nothing else here asks for one."""

from __future__ import annotations

from typing import Any, TYPE_CHECKING

try:  # Iron and later
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

if TYPE_CHECKING:
    from rclpy.node import Node

__all__ = ['SubscriptionEventCallbacks', 'given_parameters']


def given_parameters(node: Node) -> dict[str, Any]:
    """Return the parameters given on the command line or in files, declared or not.

    No distribution has a public way to ask; where the attribute is gone, none are returned, and
    a mistyped name is merely not warned about.
    """
    return dict(getattr(node, '_parameter_overrides', {}))
