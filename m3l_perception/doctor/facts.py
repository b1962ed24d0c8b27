"""What the doctor found out; values only, so that judging needs no ROS."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Computer:
    """What the machine and its Python have; no ROS needed.

    Attributes:
        libraries: Version by name of the libraries that run networks; None if not installed.
        has_gpu: Whether an NVIDIA device is there.
        model: What a person wants to know of the network; empty if it cannot be used.
        model_problem: Why it cannot.
        backend: What the node is to run the network with; `auto` chooses.
        engine: The library and precision that then run it; empty if none does.
        engine_problem: Why none does.
        rmem_max: Largest receive buffer of a socket in bytes, None where unknown.
        environment: The variables that ROS and DDS read.
        missing_files: Paths in `environment` that name no file.
    """

    libraries: dict[str, str | None]
    has_gpu: bool = False
    model: str = ''
    model_problem: str = ''
    backend: str = 'auto'
    engine: str = ''
    engine_problem: str = ''
    rmem_max: int | None = None
    environment: dict[str, str] = field(default_factory=dict)
    missing_files: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One publisher or subscription; its QoS in rclpy's words, such as BEST_EFFORT."""

    node: str
    type: str = ''
    reliability: str = 'BEST_EFFORT'
    durability: str = 'VOLATILE'


@dataclass(frozen=True, kw_only=True)
class Heard:
    """The messages that came on one topic.

    Attributes:
        stamps_ns: Their header stamps, in the order of arrival.
        arrivals_ns: When they came, by the wall clock.
        frame_id: Of the last one.
        size: Its height and width.
        encoding: Its encoding, or the format of a compressed image.
        content: What its pixels show; empty if it could not be decoded.
        doubt: What is odd about the pixels although they could be.
        problem: Why they could not.
    """

    stamps_ns: tuple[int, ...] = ()
    arrivals_ns: tuple[int, ...] = ()
    frame_id: str = ''
    size: tuple[int, int] | None = None
    encoding: str = ''
    content: str = ''
    doubt: str = ''
    problem: str = ''

    @property
    def rate_hz(self) -> float:
        """How often they came; 0 until two did."""
        return _rate_hz(self.arrivals_ns)

    @property
    def stands_still(self) -> bool:
        """Whether all images have one stamp, so that the node takes the first one alone."""
        return len(self.stamps_ns) > 1 and len({*self.stamps_ns}) == 1 and any(self.stamps_ns)

    @property
    def period_ns(self) -> int | None:
        """Median time between stamps, None until two came."""
        steps = sorted(b - a for a, b in zip(self.stamps_ns, self.stamps_ns[1:], strict=False))
        return steps[len(steps) // 2] if steps else None


@dataclass(frozen=True, kw_only=True)
class Topic:
    """One camera topic.

    Attributes:
        name: Fully qualified, with the ending of its transport.
        publishers: Who publishes on it.
        wanted: The subscription of the node, or what the node would ask for.
        heard: What came.
        info_rate_hz: Rate of the camera_info beside it; None if there is none.
    """

    name: str
    publishers: tuple[Endpoint, ...] = ()
    wanted: Endpoint = Endpoint(node='m3l_segment')
    heard: Heard = Heard()
    info_rate_hz: float | None = None


@dataclass(frozen=True, kw_only=True)
class Diagnostic:
    """One status that the node published about itself; level 0 is fine, 1 a warning."""

    name: str
    level: int
    message: str
    values: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SegmentNode:
    """The node, as it looks from outside.

    Attributes:
        name: Fully qualified.
        state: Of its lifecycle; empty if it did not answer.
        parameters: By name, as text; empty if it did not answer.
        diagnostics: The last of each name.
        mode: What it last said on ~/mode.
        mask_rate_hz: How often labels came; 0 if they did not.
        masks: How many came.
    """

    name: str
    state: str = ''
    parameters: dict[str, str] = field(default_factory=dict)
    diagnostics: tuple[Diagnostic, ...] = ()
    mode: str = ''
    mask_rate_hz: float = 0.0
    masks: int = 0

    def seconds(self, name: str) -> float:
        """Return a parameter that is a time; 0, which leaves it to the node, if it is unknown."""
        return float(self.parameters.get(name) or 0)


@dataclass(frozen=True, kw_only=True)
class Graph:
    """What is going on in the ROS graph.

    Attributes:
        version: Of rclpy.
        rmw: Name of the middleware.
        seconds: How long images were listened to.
        nodes: Every other node that was seen.
        image_topics: Every topic of images and its type.
        rgb: The color topic, None if none was found.
        depth: The depth topic, likewise.
        segment_name: Full name of the node that was looked for, or what it is usually called.
        segment: The node, None if it is not running.
        clock_publishers: How many publish /clock.
        clock_ticks: How many messages came on it.
    """

    version: str
    rmw: str
    seconds: float
    nodes: tuple[str, ...] = ()
    image_topics: dict[str, str] = field(default_factory=dict)
    rgb: Topic | None = None
    depth: Topic | None = None
    segment_name: str = 'm3l_segment'
    segment: SegmentNode | None = None
    clock_publishers: int = 0
    clock_ticks: int = 0


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All of it; `graph` is None where ROS is not installed."""

    computer: Computer
    graph: Graph | None


def _rate_hz(times_ns: tuple[int, ...]) -> float:
    if len(times_ns) < 2 or times_ns[-1] <= times_ns[0]:
        return 0.0
    return 1e9 * (len(times_ns) - 1) / (times_ns[-1] - times_ns[0])
