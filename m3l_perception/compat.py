"""What differs between the ROS 2 distributions; nothing else here asks for one.

It imports ROS only when asked for something of it, so launch files can ask for the rest.
"""

from __future__ import annotations

from typing import Any, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rclpy.node import Node
    from rclpy.parameter import Parameter

PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
"""Where Fast DDS looks for its profile: up to Jazzy, and since (which warns about the old)."""

_OLD_DISTRIBUTIONS = ('humble', 'iron', 'jazzy')


def profile_variable(environment: Mapping[str, str]) -> str:
    """Return the variable in which the distribution of `environment` expects a profile."""
    old, new = PROFILE_VARIABLES
    return old if environment.get('ROS_DISTRO', '') in _OLD_DISTRIBUTIONS else new


def private_variables(domain: int) -> dict[str, str]:
    """Return the variables that keep ROS traffic on this machine and in a domain of its own."""
    return {
        'ROS_DOMAIN_ID': str(domain),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        'ROS_LOCALHOST_ONLY': '1',  # Humble knows no other
    }


def subscription_events(*, incompatible_qos: Callable[[Any], None] | None = None) -> Any:  # noqa: ANN401
    """Return the event callbacks of a subscription, without those that rclpy adds by itself.

    Each is looked at in every round of the executor, of which an image takes two.
    """
    try:  # Iron and later
        from rclpy.event_handler import SubscriptionEventCallbacks
    except ImportError:  # Humble
        from rclpy.qos_event import SubscriptionEventCallbacks
    return SubscriptionEventCallbacks(
        incompatible_qos=incompatible_qos, use_default_callbacks=False
    )


def no_publisher_events() -> Any:  # noqa: ANN401
    """Return the event callbacks of a publisher that has none, as rclpy's own cost time too.

    They would log a subscription that asks for more than is offered, as `QosWatch` does.
    """
    try:  # Iron and later
        from rclpy.event_handler import PublisherEventCallbacks
    except ImportError:  # Humble
        from rclpy.qos_event import PublisherEventCallbacks
    return PublisherEventCallbacks(use_default_callbacks=False)


def with_message_info(callback: Callable[[Any, Any], None]) -> Callable[..., None]:
    """Return the callback of a subscription that is to be told when each message was published.

    It is called with the message and rclpy's info of it; Humble has none, and passes `{}`.
    """
    from rclpy.subscription import Subscription

    if hasattr(Subscription, 'CallbackType'):  # Iron and later count the arguments
        return callback
    return lambda message: callback(message, {})


def middleware_error() -> type[Exception]:
    """Return what rclpy raises when the middleware fails, which it exports nowhere."""
    from rclpy.impl.implementation_singleton import rclpy_implementation

    error: type[Exception] = rclpy_implementation.RCLError
    return error


def given_parameters(node: Node) -> dict[str, Any]:
    """Return the parameters given on the command line or in files, declared or not.

    No distribution has a public way to ask; where the attribute is gone, none are returned, and
    a mistyped name is merely not warned about.
    """
    return dict(getattr(node, '_parameter_overrides', {}))


def change_before_setting(
    node: Node, change: Callable[[list[Parameter]], list[Parameter]]
) -> None:
    """Let parameters that somebody sets be changed before they are looked at.

    Humble cannot; there they come as they are.
    """
    if hasattr(node, 'add_pre_set_parameters_callback'):
        node.add_pre_set_parameters_callback(change)


def label_info_type() -> Any | None:  # noqa: ANN401
    """Return the message class `vision_msgs/LabelInfo`, or None if it is not installed."""
    try:
        from vision_msgs.msg import LabelInfo
    except ImportError:  # not in every distribution's base, nor among the wheels
        return None
    return LabelInfo
