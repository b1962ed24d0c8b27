"""Judges each camera topic: whether images come, and can be used."""

from __future__ import annotations

from dataclasses import replace
import re
from typing import TYPE_CHECKING

from m3l_core.bags.topics import base_and_transport
from m3l_perception.doctor.finding import Finding, Level

if TYPE_CHECKING:
    from collections.abc import Iterator

    from m3l_perception.doctor.facts import Endpoint, Graph, Topic

_ALONE = (
    'No other node is seen at all. If the driver runs, compare ROS_DOMAIN_ID, '
    'ROS_AUTOMATIC_DISCOVERY_RANGE (ROS_LOCALHOST_ONLY) and RMW_IMPLEMENTATION there and here.'
)

_LOSS = 0.7
"""Share of the images announced by camera_info below which they count as lost on the way."""

_FOREIGN_CLOCK_S = 1.0


def judge_cameras(graph: Graph) -> Iterator[Finding]:
    """Yield what is to be said of both camera topics; one that is good is enough for labels."""
    found = {
        what: list(_judge_topic(what, topic, graph))
        for what, topic in (('rgb', graph.rgb), ('depth', graph.depth))
    }
    for what, other in (('rgb', 'depth'), ('depth', 'rgb')):
        other_is_good = not any(finding.level is Level.STOP for finding in found[other])
        for finding in found[what]:
            if finding.level is Level.STOP and other_is_good:
                yield replace(
                    finding,
                    level=Level.WARN,
                    what=f'{finding.what} Labels can come from {other} alone.',
                )
            else:
                yield finding


def _judge_topic(what: str, topic: Topic | None, graph: Graph) -> Iterator[Finding]:
    if topic is None:
        seen = ', '.join(graph.image_topics) or 'no topics of images at all'
        remedy = f'Name it: --{what} TOPIC.' if graph.image_topics else _driver(graph)
        yield Finding(Level.STOP, what, f'no topic is recognized, there are {seen}.', remedy)
        return
    problem = _unheard(what, topic, graph)
    if problem is not None:
        yield problem
        return
    heard = topic.heard
    if heard.problem:
        yield Finding(Level.STOP, what, f'{topic.name}: {heard.problem}')
        return
    if heard.stands_still:
        yield Finding(
            Level.STOP,
            what,
            f'{topic.name}: {len(heard.stamps_ns)} images came, all with one stamp: the node '
            'takes the first and waits for a later one.',
            'See to the clock of the driver; let a simulation that pauses go on.',
        )
        return
    height, width = heard.size or (0, 0)
    yield Finding(
        Level.OK,
        what,
        f'{topic.name}: {heard.rate_hz:.1f} Hz, {width}x{height} {heard.encoding}, frame '
        f'{heard.frame_id!r}, {_origin(topic)}. {heard.content}',
    )
    if heard.doubt:
        yield Finding(Level.WARN, what, f'{topic.name}: {heard.doubt}')
    yield from _judge_loss(what, topic)
    yield from _judge_stamps(what, topic)


def _origin(topic: Topic) -> str:
    if not topic.publishers:
        return 'from a publisher that has left'
    publisher, wanted = topic.publishers[0], topic.wanted
    return (
        f'from {publisher.node}, which offers {publisher.reliability} {publisher.durability}; '
        f'the node asks for {wanted.reliability} {wanted.durability}'
    )


def _unheard(what: str, topic: Topic, graph: Graph) -> Finding | None:
    """Return why nothing comes on a topic, or None if it does."""
    if not topic.publishers and not topic.heard.arrivals_ns:
        others = _alternatives(what, topic, graph)
        remedy = f'Launch with {what}_topic:={others}' if others else _driver(graph)
        return Finding(Level.STOP, what, f'{topic.name}: nobody publishes.', remedy)
    types = sorted({publisher.type for publisher in topic.publishers})
    if topic.wanted.type and types and topic.wanted.type not in types:
        return Finding(
            Level.STOP,
            what,
            f'{topic.name}: the node wants {topic.wanted.type}, published is {", ".join(types)}.',
            f'Set {what}_transport to the one that is published.',
        )
    policies = [incompatible(publisher, topic.wanted) for publisher in topic.publishers]
    if policies and all(policies):
        policy, names = policies[0], [publisher.node for publisher in topic.publishers]
        offered, wanted = getattr(topic.publishers[0], policy), getattr(topic.wanted, policy)
        return Finding(
            Level.STOP,
            what,
            f'{topic.name}: {" and ".join(names)} {"offer" if names[1:] else "offers"} {policy} '
            f'{offered}, {topic.wanted.node} wants {wanted}: nothing is delivered.',
            f'Set qos_overrides.{topic.name}.subscription.{policy}: {offered.lower()} for the '
            'node, or change the publisher.',
        )
    if not topic.heard.arrivals_ns:
        return Finding(
            Level.STOP,
            what,
            f'{topic.name}: {topic.publishers[0].node} publishes it, but no image arrived in '
            f'{graph.seconds:g} s.',
            'See whether the camera streams (its log, its cable); large images that are lost '
            'look the same: start the driver with the DDS profile.',
        )
    return None


def incompatible(offered: Endpoint, wanted: Endpoint) -> str:
    """Return the QoS policy that keeps two endpoints apart; empty if they get along."""
    if wanted.reliability == 'RELIABLE' and offered.reliability == 'BEST_EFFORT':
        return 'reliability'
    if wanted.durability == 'TRANSIENT_LOCAL' and offered.durability == 'VOLATILE':
        return 'durability'
    return ''


def _alternatives(what: str, topic: Topic, graph: Graph) -> str:
    """Return the first topic that looks like what is missing; empty if none does."""
    is_depth = what == 'depth'
    for name in sorted(graph.image_topics):
        looks_right = ('depth' in name) is is_depth and not re.search('infra|mask|label', name)
        if name != topic.name and looks_right:
            return base_and_transport(name)[0]
    return ''


def _driver(graph: Graph) -> str:
    return 'Start the camera driver.' if graph.nodes else _ALONE


def _judge_loss(what: str, topic: Topic) -> Iterator[Finding]:
    heard, announced_hz = topic.heard, topic.info_rate_hz
    if announced_hz and heard.rate_hz < _LOSS * announced_hz:
        yield Finding(
            Level.WARN,
            what,
            f'{topic.name}: {heard.rate_hz:.1f} of {announced_hz:.1f} images a second arrive, '
            'by the camera_info beside them: the rest is lost on the way.',
            'Start the driver with the Fast DDS profile of this package, or with Cyclone DDS '
            'raise net.core.rmem_max; over a network use the compressed transport.',
        )


def _judge_stamps(what: str, topic: Topic) -> Iterator[Finding]:
    heard = topic.heard
    if not heard.stamps_ns[-1]:
        yield Finding(
            Level.NOTE,
            what,
            f'{topic.name}: images have no stamps; they pair by when they arrive.',
            'Let the driver stamp them.',
        )
        return
    behind_s = (heard.arrivals_ns[-1] - heard.stamps_ns[-1]) / 1e9
    if abs(behind_s) > _FOREIGN_CLOCK_S:
        way = 'behind' if behind_s > 0 else 'ahead of'
        yield Finding(
            Level.NOTE,
            what,
            f'{topic.name}: stamps are {abs(behind_s):.1f} s {way} the system clock. Labels do '
            'not mind, transforms do.',
            'For a bag or a simulator: use_sim_time:=true and /clock. Else see to the clock of '
            'the camera or its computer.',
        )
