"""Which subscriptions are told of, seen through a graph that a test makes."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

from rclpy.qos import DurabilityPolicy, QoSProfile

from m3l_perception.qos_watch import QosWatch

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
MASK = SimpleNamespace(topic_name='/mask', qos_profile=QoSProfile(depth=5))
UNNAMED = '_NODE_NAME_UNKNOWN_'


@dataclass
class Graph:
    """A node in whose sight one subscription asks for too much."""

    names: list[str] = field(default_factory=list)

    def get_subscriptions_info_by_topic(self, topic: str) -> list[SimpleNamespace]:
        assert topic == '/mask'
        return [
            SimpleNamespace(node_name=name, node_namespace='/', qos_profile=LATCHED)
            for name in self.names
        ]


def told(*looks: list[str]) -> list[int]:
    """Return how much is told at each look; each finds subscriptions of some nodes."""
    graph = Graph()
    watch = QosWatch(graph, [MASK])
    counts = []
    for graph.names in looks:
        counts.append(len(watch.look()))
    return counts


def test_a_subscription_is_told_once() -> None:
    assert told([], ['viewer'], ['viewer'], ['viewer', 'other']) == [0, 1, 0, 1]


def test_one_that_is_known_before_its_node_is_told_under_its_name() -> None:
    assert told([UNNAMED], ['viewer'], ['viewer']) == [0, 1, 0]


def test_one_that_has_no_node_is_told_all_the_same() -> None:
    assert told([UNNAMED], [UNNAMED], [UNNAMED]) == [0, 1, 0]
