"""Judges what the machine has: ROS and its middleware, the network, the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from m3l_perception.dds import profile_environment, SHIPPED_PROFILE
from m3l_perception.doctor.finding import Finding, Level

if TYPE_CHECKING:
    from collections.abc import Iterator

    from m3l_perception.doctor.facts import Computer, Facts, Graph

_ROOMY_BYTES = 10_000_000
"""Receive buffer that holds several images; Cyclone DDS sends all of them through sockets."""


def judge_machine(facts: Facts) -> Iterator[Finding]:
    """Yield what is to be said of machine and installation."""
    computer, graph = facts.computer, facts.graph
    if graph is None:
        yield Finding(
            Level.STOP,
            'ROS',
            'rclpy is not installed for this Python.',
            'Source a ROS 2 distribution (source /opt/ros/DISTRO/setup.bash), or on x86-64 Linux '
            'run: pip install "m3l_perception[ros]"',
        )
    else:
        yield _ros(computer, graph)
        yield from _middleware(computer, graph)
    yield _model(computer)
    yield from _engine(computer)


def _ros(computer: Computer, graph: Graph) -> Finding:
    given = computer.environment
    name = given.get('ROS_DISTRO', 'no distribution sourced (PyPI wheels?)')
    reach = given.get('ROS_AUTOMATIC_DISCOVERY_RANGE', 'SUBNET')
    if given.get('ROS_LOCALHOST_ONLY') == '1':
        reach = 'LOCALHOST'
    return Finding(
        Level.OK,
        'ROS',
        f'{name}: rclpy {graph.version}, {graph.rmw}, domain {given.get("ROS_DOMAIN_ID", "0")}, '
        f'discovery {reach}, {len(graph.nodes)} other node{"s" * (len(graph.nodes) != 1)} seen.',
    )


def _middleware(computer: Computer, graph: Graph) -> Iterator[Finding]:
    given = computer.environment
    if 'fastrtps' in graph.rmw:
        yield _profile(computer)
    elif 'cyclone' in graph.rmw and (computer.rmem_max or _ROOMY_BYTES) < _ROOMY_BYTES:
        yield Finding(
            Level.WARN,
            'DDS',
            f'Cyclone DDS receives images through sockets, and net.core.rmem_max is '
            f'{computer.rmem_max} bytes: images are lost in bursts.',
            'sudo sysctl -w net.core.rmem_max=2147483647, and let Cyclone ask for more: '
            'SocketReceiveBufferSize in CYCLONEDDS_URI.',
        )
    for path in computer.missing_files:
        yield Finding(Level.WARN, 'DDS', f'the profile {path} is no file.', 'Correct its path.')
    if 'ROS_DISCOVERY_SERVER' in given:
        yield Finding(Level.NOTE, 'DDS', f'discovery server {given["ROS_DISCOVERY_SERVER"]}.')


def _profile_variable(distribution: str) -> str:
    """Return the variable in which a distribution's Fast DDS looks for its profile."""
    (variable,) = profile_environment('shipped', {'ROS_DISTRO': distribution})
    return variable


def _profile(computer: Computer) -> Finding:
    given = computer.environment
    old, new = _profile_variable('jazzy'), _profile_variable('kilted')
    right = _profile_variable(given.get('ROS_DISTRO', ''))
    found = [name for name in (old, new) if name in given]
    if found == [new] and right == old:  # the other way round it is read, with a warning
        return Finding(
            Level.WARN,
            'DDS',
            f'{found[0]} is set, but {given.get("ROS_DISTRO")} does not read it.',
            f'Set {right} instead.',
        )
    if found:
        return Finding(Level.OK, 'DDS', f'Fast DDS profile {given[found[0]]}.')
    return Finding(
        Level.NOTE,
        'DDS',
        'no Fast DDS profile is set. The node brings its own, but the shared memory of the '
        'camera driver decides: by default it is smaller than one color image.',
        f'Start the driver with {right}={SHIPPED_PROFILE}',
    )


def _model(computer: Computer) -> Finding:
    if computer.model_problem:
        return Finding(Level.STOP, 'model', computer.model_problem, 'Set the parameter model.')
    return Finding(Level.OK, 'model', f'{computer.model}.')


def _engine(computer: Computer) -> Iterator[Finding]:
    libraries = computer.libraries
    has = ', '.join(
        f'{name} {version}' if version else f'no {name}' for name, version in libraries.items()
    )
    if not any(libraries[name] for name in ('openvino', 'torch', 'tensorrt')):
        what = f'nothing is installed that runs networks: {has}.'
        yield Finding(Level.STOP, 'engine', what, 'pip install openvino, the engine for CPUs.')
    elif computer.engine_problem:
        yield Finding(Level.STOP, 'engine', f'{computer.engine_problem} Here: {has}.')
    elif computer.engine:
        what = f'{computer.engine}, {_why(computer)}. Here: {has}.'
        yield Finding(Level.OK, 'engine', what)
    if computer.has_gpu and computer.engine.startswith('openvino'):
        yield Finding(
            Level.WARN,
            'engine',
            'there is an NVIDIA GPU, but the network runs on the CPU.',
            'Install TensorRT and pycuda, or torch with CUDA; docs/engines.md tells how.'
            if _lacking(computer)
            else 'Run: m3l build',
        )


def _lacking(computer: Computer) -> list[str]:
    """Return what TensorRT engines need and this Python lacks."""
    return [name for name in ('tensorrt', 'pycuda') if not computer.libraries[name]]


def _why(computer: Computer) -> str:
    """Return why this engine runs the network: what is better, and missing."""
    if computer.backend != 'auto':
        return f'as the parameter backend says ({computer.backend})'
    lacking = _lacking(computer)
    if not computer.has_gpu:
        reasons = ['no NVIDIA GPU is seen']
    elif computer.engine.startswith('tensorrt'):
        return 'chosen by auto, which prefers it'
    else:
        reasons = [
            f'{" and ".join(lacking)} missing' if lacking else 'no TensorRT engine is built'
        ]
    if computer.engine.startswith('torch') and not computer.libraries['openvino']:
        reasons.append('openvino is missing')
    return f'chosen by auto: {", ".join(reasons)}'
