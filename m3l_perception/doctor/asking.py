"""What the segmentation node says, and what it answers when asked."""

from __future__ import annotations

import time
from typing import Any, TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import GetState
from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import GetParameters
import rclpy
from rclpy.qos import DurabilityPolicy, qos_profile_sensor_data, QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import String

from m3l_perception.doctor.facts import Diagnostic, Heard, SegmentNode

if TYPE_CHECKING:
    from rclpy.node import Node

_ANSWER_S = 2.0
"""Longest wait for an answer; the node answers within milliseconds unless it hangs."""

_PARAMETERS = (
    'model', 'backend', 'use_sim_time', 'autostart', 'depth_stamp_offset', 'max_pair_gap',
    'pair_wait', 'pair_wait_max',
)  # fmt: skip


class Diagnostics:
    """The last diagnostics of every name on /diagnostics."""

    def __init__(self, node: Node) -> None:
        self._statuses: dict[str, Any] = {}
        node.create_subscription(DiagnosticArray, '/diagnostics', self._keep, 10)

    def of(self, name: str) -> tuple[Diagnostic, ...]:
        """Return those of one node, by its full name."""
        return tuple(
            Diagnostic(
                name=status.name,
                level=ord(status.level),
                message=status.message,
                values={item.key: item.value for item in status.values},
            )
            for status in self._statuses.values()
            if status.name.rpartition(': ')[0] == name.lstrip('/')
        )

    def _keep(self, message: DiagnosticArray) -> None:
        self._statuses |= {status.name: status for status in message.status}


class Patient:
    """The segmentation node, listened to from now on.

    Args:
        node: Who listens.
        name: Full name of the node.
    """

    def __init__(self, node: Node, name: str) -> None:
        self.name = name
        self._node = node
        self._mode = ''
        self._arrivals_ns: list[int] = []
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        node.create_subscription(String, f'{name}/mode', self._on_mode, latched)
        node.create_subscription(Image, f'{name}/mask', self._on_mask, qos_profile_sensor_data)

    def report(self, diagnostics: Diagnostics) -> SegmentNode:
        """Return what it said and, asking it now, what it answers."""
        state = self._ask(GetState, 'get_state', GetState.Request())
        return SegmentNode(
            name=self.name,
            state='' if state is None else state.current_state.label,
            parameters=self._parameters(),
            diagnostics=diagnostics.of(self.name),
            mode=self._mode,
            masks=len(self._arrivals_ns),
            mask_rate_hz=Heard(arrivals_ns=tuple(self._arrivals_ns)).rate_hz,
        )

    def _parameters(self) -> dict[str, str]:
        request = GetParameters.Request(names=list(_PARAMETERS))
        answer = self._ask(GetParameters, 'get_parameters', request)
        if answer is None or len(answer.values) != len(_PARAMETERS):
            return {}
        return dict(zip(_PARAMETERS, map(_text, answer.values), strict=True))

    def _ask(self, kind: Any, service: str, request: Any) -> Any:  # noqa: ANN401
        """Return the answer of a service of the node; None if there is none in time."""
        client = self._node.create_client(kind, f'{self.name}/{service}')
        if not client.wait_for_service(_ANSWER_S):
            return None
        future = client.call_async(request)
        rclpy.spin_until_future_complete(self._node, future, timeout_sec=_ANSWER_S)
        return future.result() if future.done() else None

    def _on_mode(self, message: String) -> None:
        self._mode = message.data

    def _on_mask(self, _: Image) -> None:
        self._arrivals_ns.append(time.time_ns())


def _text(value: Any) -> str:  # noqa: ANN401
    if value.type == ParameterType.PARAMETER_BOOL:
        return str(value.bool_value).lower()
    if value.type == ParameterType.PARAMETER_DOUBLE:
        return str(value.double_value)
    return str(value.string_value)
