"""Judges both camera topics together: how they pair, and what kills both."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from m3l_core.stream import StreamConfig
from m3l_core.stream.record import GOOD_SHARE
from m3l_core.stream.rhythm import SLOWER
from m3l_perception.doctor.finding import Finding, Level
from m3l_perception.doctor.timing import together

if TYPE_CHECKING:
    from collections.abc import Iterator

    from m3l_perception.doctor.facts import Graph, SegmentNode, Topic
    from m3l_perception.doctor.timing import Together

_ALIGNED = ('aligned', 'registered', 'to_color', 'to_rgb')


def judge_pair(graph: Graph) -> Iterator[Finding]:
    """Yield what is to be said of the pairs; nothing while one of the two does not come."""
    rgb, depth = graph.rgb, graph.depth
    if rgb is None or depth is None:
        return
    yield from _judge_common_fate(rgb, depth)
    if rgb.heard.size is None or depth.heard.size is None:
        return
    yield from _judge_geometry(rgb, depth)
    times = times_of(graph)
    if times is not None:
        yield from _judge_times(times, graph.segment)
    yield from _judge_rates(rgb, depth)


def times_of(graph: Graph) -> Together | None:
    """Return how both topics go together, by the settings of the node; None if that is unknown."""
    if graph.rgb is None or graph.depth is None:
        return None
    depth, gap_ns = graph.depth.heard, 0
    if graph.segment is not None:
        offset_ns = round(1e9 * graph.segment.seconds('depth_stamp_offset'))
        depth = replace(depth, stamps_ns=tuple(stamp + offset_ns for stamp in depth.stamps_ns))
        gap_ns = round(1e9 * graph.segment.seconds('max_pair_gap'))
    return together(graph.rgb.heard, depth, most_ns=gap_ns)


def _judge_times(times: Together, node: SegmentNode | None) -> Iterator[Finding]:
    summary = (
        f'{times.paired_share:.0%} pair within {times.gap_ms:.1f} ms; depth is stamped '
        f'{times.skew_ms:+.1f} ms from color and arrives up to {times.lag_ms:.0f} ms after it.'
    )
    limit, limit_s = _longest_wait(node)
    if times.paired_share < GOOD_SHARE:
        offset_s = (node.seconds('depth_stamp_offset') if node else 0) - times.skew_ms / 1e3
        yield Finding(
            Level.WARN,
            'pairs',
            f'{summary} So the mode stays RGB_ONLY.',
            f'Set depth_stamp_offset:={offset_s:.4f}, the difference is constant.'
            if times.is_steady
            else 'Let one clock stamp both cameras, trigger them together, or raise '
            'max_pair_gap if the scene is slow.',
        )
    elif times.lag_ms > 1e3 * limit_s:
        yield Finding(
            Level.WARN,
            'pairs',
            f'{summary} The node waits {1e3 * limit_s:.0f} ms at most.',
            f'Set {limit}:={times.lag_ms / 1e3 + 0.03:.2f}, which delays labels by as much.',
        )
    else:
        yield Finding(Level.OK, 'pairs', summary)


def _longest_wait(node: SegmentNode | None) -> tuple[str, float]:
    """Return the parameter that bounds the wait for depth, and the seconds it allows."""
    if node is not None and (wait_s := node.seconds('pair_wait')):
        return 'pair_wait', wait_s
    most_s = node.seconds('pair_wait_max') if node is not None else 0
    return 'pair_wait_max', most_s or StreamConfig().pair_wait_max


def _judge_rates(rgb: Topic, depth: Topic) -> Iterator[Finding]:
    """Tell that depth is slower, which decides how often labels come."""
    rgb_ns, depth_ns = rgb.heard.period_ns, depth.heard.period_ns
    if rgb_ns and depth_ns and depth_ns > SLOWER * rgb_ns:
        yield Finding(
            Level.NOTE,
            'pairs',
            f'depth comes at {1e9 / depth_ns:.1f} Hz, color at {1e9 / rgb_ns:.1f} Hz: labels come '
            'at the rate of depth.',
            'Set unpaired:=rgb to label the images between from color alone.',
        )


def _judge_geometry(rgb: Topic, depth: Topic) -> Iterator[Finding]:
    sizes, frames = (
        (rgb.heard.size, depth.heard.size),
        (rgb.heard.frame_id, depth.heard.frame_id),
    )
    if frames[0] != frames[1]:
        yield Finding(
            Level.WARN,
            'pairs',
            f'depth is in the frame {frames[1]!r}, color in {frames[0]!r}: depth that is not '
            'registered to color gives wrong labels.',
            'Use the registered depth topic of the driver, or depth_image_proc/register.',
        )
    elif sizes[0] != sizes[1] and sizes[0] and sizes[1]:
        yield Finding(
            Level.NOTE,
            'pairs',
            f'depth is {sizes[1][1]}x{sizes[1][0]}, color {sizes[0][1]}x{sizes[0][0]}: depth is '
            'resized, which is right only if both show the same view.',
        )


def _judge_common_fate(rgb: Topic, depth: Topic) -> Iterator[Finding]:
    """Tell what would take both streams away at once."""
    shared = {p.node for p in rgb.publishers} & {p.node for p in depth.publishers}
    if not shared:
        return
    text = f'{", ".join(sorted(shared))} publishes both: if that process dies, labels end.'
    if any(word in depth.name for word in _ALIGNED):
        text += ' Registered depth is commonly made from color, and then stops with it.'
    yield Finding(
        Level.NOTE,
        'failover',
        text,
        'Respawn the driver; name its unregistered depth: depth_fallback_topic:=TOPIC',
    )
