"""What the doctor finds on a healthy robot, and how to find what it says of another one."""

from __future__ import annotations

from typing import Any

from m3l_perception.doctor.facts import Computer, Endpoint, Facts, Graph, Heard, SegmentNode, Topic
from m3l_perception.doctor.finding import Finding, Level
from m3l_perception.doctor.judging import judge

IMAGE = 'sensor_msgs/msg/Image'
MS = 1_000_000
START = 1_700_000_000_000_000_000


def heard(
    *, period_ms: float = 33, skew_ms: float = 0, lag_ms: float = 5, **changes: Any
) -> Heard:
    """Return 30 images; `skew_ms` moves their stamps, `lag_ms` says how long they travel."""
    times = [START + round(number * period_ms * MS) for number in range(30)]
    return Heard(
        stamps_ns=tuple(round(time + skew_ms * MS) for time in times),
        arrivals_ns=tuple(round(time + lag_ms * MS) for time in times),
        frame_id='color_optical_frame',
        size=(480, 640),
        encoding='rgb8',
        **changes,
    )


def topic(name: str, of: Heard, node: str, **changes: Any) -> Topic:
    publisher = Endpoint(node=node, type=IMAGE, reliability='RELIABLE')
    wanted = Endpoint(node='/m3l_segment', type=IMAGE)
    defaults: dict[str, Any] = {'publishers': (publisher,), 'wanted': wanted, 'heard': of}
    return Topic(name=name, **(defaults | changes))


COMPUTER = Computer(
    libraries={'openvino': '2026.4', 'torch': None, 'tensorrt': None, 'pycuda': None},
    model='b0: 13 classes',
    engine='openvino bf16',
)
RGB = topic('/camera/color/image_raw', heard(), '/color')
DEPTH = topic('/camera/depth/image_raw', heard(lag_ms=20), '/depth')
NODE = SegmentNode(name='/m3l_segment', state='active', mode='RGBD', masks=150, mask_rate_hz=30)
GRAPH = Graph(
    version='9',
    rmw='rmw_fastrtps_cpp',
    seconds=5,
    nodes=('/color', '/depth', '/m3l_segment'),
    image_topics={RGB.name: IMAGE, DEPTH.name: IMAGE},
    rgb=RGB,
    depth=DEPTH,
    segment=NODE,
)


def judged(graph: Graph | None, computer: Computer = COMPUTER) -> list[Finding]:
    return judge(Facts(computer=computer, graph=graph))


def the(findings: list[Finding], where: str, level: Level) -> Finding:
    """Return the one finding of that place and level."""
    found = [f for f in findings if (f.where, f.level) == (where, level)]
    assert len(found) == 1, findings
    return found[0]
