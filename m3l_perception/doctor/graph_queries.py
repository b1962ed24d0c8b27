"""What the ROS graph tells without a message: nodes, topics, endpoints and their QoS."""

from __future__ import annotations

from typing import Any, TYPE_CHECKING

from m3l_core.bags.topics import IMAGE_TYPES
from m3l_perception.doctor.facts import Endpoint

if TYPE_CHECKING:
    from rclpy.node import Node


def other_nodes(node: Node) -> list[str]:
    """Return the full names of all nodes but `node` and the hidden ones, as ros2 node list."""
    names = (
        _full_name(name, namespace) for name, namespace in node.get_node_names_and_namespaces()
    )
    me = node.get_fully_qualified_name()
    return sorted({n for n in names if n != me and not n.rpartition('/')[2].startswith('_')})


def published_images(node: Node, besides: str) -> dict[str, str]:
    """Return type by name of the image topics of others than the nodes of one name.

    Args:
        node: Who asks.
        besides: Name without namespace; what such nodes publish is left out.
    """
    return {
        name: types[0]
        for name, types in node.get_topic_names_and_types()
        if types[0] in IMAGE_TYPES
        and any(p.node.rpartition('/')[2] != besides for p in publishers(node, name))
    }


def subscribed_images(node: Node, subscriber: str) -> dict[str, str]:
    """Return type by name of the image topics that a node listens to."""
    namespace, _, name = subscriber.rpartition('/')
    try:
        found = node.get_subscriber_names_and_types_by_node(name, namespace or '/')
    except Exception:  # NodeNameNonExistentError is in a private module; it has just left
        return {}
    return {topic: types[0] for topic, types in found if types[0] in IMAGE_TYPES}


def publishers(node: Node, topic: str) -> tuple[Endpoint, ...]:
    """Return who publishes on a topic."""
    return tuple(map(_endpoint, node.get_publishers_info_by_topic(topic)))


def subscription_of(node: Node, topic: str, subscriber: str) -> Endpoint | None:
    """Return the subscription of one node to a topic."""
    found = map(_endpoint, node.get_subscriptions_info_by_topic(topic))
    return next((endpoint for endpoint in found if endpoint.node == subscriber), None)


def _endpoint(info: Any) -> Endpoint:  # noqa: ANN401
    return Endpoint(
        node=_full_name(info.node_name, info.node_namespace),
        type=info.topic_type,
        reliability=info.qos_profile.reliability.name,
        durability=info.qos_profile.durability.name,
    )


def _full_name(name: str, namespace: str) -> str:
    return f'{namespace.rstrip("/")}/{name}'
