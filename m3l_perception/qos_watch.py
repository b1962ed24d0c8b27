"""Who asks of our topics for more than they offer, and so gets nothing."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

from rclpy.duration import Infinite
from rclpy.qos import (
    LivelinessPolicy,
    qos_check_compatible,
    QoSCompatibility,
    ReliabilityPolicy,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rclpy.node import Node
    from rclpy.publisher import Publisher
    from rclpy.qos import QoSProfile

_MOST_TOLD = 32
"""Subscriptions that are told; what keeps coming under new names is not told for ever."""

_UNNAMED = '_NODE_NAME_UNKNOWN_'
"""What the middleware calls a node of which it knows no more yet than its subscription."""


class QosWatch:
    """Looks for incompatible subscriptions when asked to.

    Events of the middleware would tell as well, but each is waited for with every image.

    Args:
        node: Who looks.
        publishers: Whose topics are looked at.
    """

    def __init__(self, node: Node, publishers: Sequence[Publisher]) -> None:
        self._node = node
        self._offers = {publisher.topic_name: _offer(publisher) for publisher in publishers}
        self._told: set[tuple[str, str]] = set()
        self._unnamed: set[str] = set()

    def look(self) -> list[str]:
        """Return what is to be told of subscriptions that were not told before."""
        problems = []
        were_unnamed, self._unnamed = self._unnamed, set()
        for topic, offered in self._offers.items():
            for info in self._node.get_subscriptions_info_by_topic(topic):
                name = f'{info.node_namespace.rstrip("/")}/{info.node_name}'
                if (topic, name) in self._told or len(self._told) >= _MOST_TOLD:
                    continue
                if info.node_name == _UNNAMED:
                    self._unnamed.add(topic)
                    if topic not in were_unnamed:  # the name comes in a moment, if there is one
                        continue
                verdict, why = qos_check_compatible(offered, info.qos_profile)
                if verdict == QoSCompatibility.ERROR:
                    self._told.add((topic, name))
                    why = why.replace('ERROR: ', '').rstrip(';').replace(';', '; ')
                    problems.append(
                        f'{topic}: {name} asks for an incompatible QoS ({why}), and gets nothing. '
                        f'{_remedy(topic, offered)}'
                    )
        return problems


def _offer(publisher: Publisher) -> QoSProfile:
    """Return what others see that a publisher offers: its defaults are written out."""
    offer = copy(publisher.qos_profile)
    offer.deadline = offer.liveliness_lease_duration = Infinite
    offer.liveliness = LivelinessPolicy.AUTOMATIC
    return offer


def _remedy(topic: str, offered: QoSProfile) -> str:
    """Return what to do; of all that decides, only reliability can be overridden here."""
    words = f'{offered.reliability.name} {offered.durability.name}'.lower()
    if offered.reliability is ReliabilityPolicy.RELIABLE:
        return f'Ask for {words} there.'
    return f'Ask for {words} there, or set qos_overrides.{topic}.publisher.reliability here.'
