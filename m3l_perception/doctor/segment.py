"""Judges the node: whether it runs, in which state, and what it says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from m3l_perception.doctor.finding import Finding, Level

if TYPE_CHECKING:
    from collections.abc import Iterator

    from m3l_perception.doctor.facts import Graph, SegmentNode

_WARNING, _ERROR = 1, 2
"""Levels of diagnostic_msgs/DiagnosticStatus."""

_TRANSITIONS = {'unconfigured': 'configure', 'inactive': 'activate'}


def judge_segment(graph: Graph) -> Iterator[Finding]:
    """Yield what is to be said of the node."""
    node = graph.segment
    if node is None:
        yield Finding(
            Level.WARN,
            'node',
            f'{graph.segment_name} is not running.',
            'ros2 launch m3l_perception segment.launch.py (or, with pip: segment)',
        )
    else:
        yield _labels(node, graph)
    mine = '' if node is None else node.name
    others = [name for name in graph.nodes if name.endswith('/m3l_segment') and name != mine]
    if others:
        text = f'{", ".join(others)} {"runs" if len(others) == 1 else "run"} as well.'
        yield Finding(Level.NOTE, 'node', text, 'For another: --node NAME.')
    if node is None:
        return
    if node.state and node.state != 'active':
        yield _state(node)
    yield from _clock(node, graph)
    yield from _diagnostics(node)


def _labels(node: SegmentNode, graph: Graph) -> Finding:
    if node.masks:
        return Finding(
            Level.OK,
            'node',
            f'{node.name}: {node.state}, labels come at {node.mask_rate_hz:.1f} Hz, mode '
            f'{node.mode or "?"}{_engine(node)}.',
        )
    if not node.state:
        return Finding(
            Level.STOP,
            'node',
            f'{node.name}: does not answer and sends no labels.',
            'It hangs, or has just died and is still listed: look at its log.',
        )
    silence = f'{node.name}: {node.state}, no labels came in {graph.seconds:g} s.'
    images_come = any(topic and topic.heard.size for topic in (graph.rgb, graph.depth))
    if node.state != 'active' or not images_come:
        return Finding(Level.WARN, 'node', silence)
    if any(status.values.get('state') == 'BUILDING' for status in node.diagnostics):
        return Finding(Level.WARN, 'node', f'{silence} It still loads its network.', 'Wait.')
    return Finding(
        Level.STOP, 'node', f'{silence} Images come, so it should label.', 'Look at its log.'
    )


def _engine(node: SegmentNode) -> str:
    """Return what the node's own engine is and takes, as far as the node told."""
    for status in node.diagnostics:
        if status.name.endswith(': engine') and 'p50_ms' in status.values:
            values = status.values
            return (
                f'; its engine, {values.get("backend")} {values.get("precision")}, takes '
                f'{values["p50_ms"]} ms at the median'
            )
    return ''


def _state(node: SegmentNode) -> Finding:
    transition = _TRANSITIONS.get(node.state)
    remedy = f'ros2 lifecycle set {node.name} {transition}' if transition else 'Start it again.'
    if node.parameters.get('autostart') == 'true':
        remedy += '; it should have started by itself: its log says why it did not.'
    return Finding(
        Level.STOP, 'node', f'{node.name} is {node.state}; it labels only while active.', remedy
    )


def _clock(node: SegmentNode, graph: Graph) -> Iterator[Finding]:
    uses_sim_time = node.parameters.get('use_sim_time') == 'true'
    if uses_sim_time and not graph.clock_ticks:
        silence = '/clock stands still' if graph.clock_publishers else 'nobody publishes /clock'
        yield Finding(
            Level.STOP,
            'clock',
            f'the node has use_sim_time set, but {silence}.',
            'Play the bag with --clock, let the simulation run, or set use_sim_time:=false',
        )
    elif not uses_sim_time and node.parameters and graph.clock_ticks:
        yield Finding(
            Level.NOTE,
            'clock',
            '/clock is published, but the node does not use it.',
            'For a bag or a simulator: use_sim_time:=true',
        )


def _diagnostics(node: SegmentNode) -> Iterator[Finding]:
    """Repeat what the node itself complains about."""
    for status in node.diagnostics:
        what = status.name.rpartition(': ')[2]
        if status.level >= _ERROR and what == 'engine':
            yield Finding(Level.STOP, 'node', f'says of its engine: {status.message}')
        elif status.level >= _WARNING:
            yield Finding(Level.WARN, 'node', f'says of {what}: {status.message}')
