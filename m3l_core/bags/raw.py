"""A message as it was recorded, whatever it was recorded in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RawMessage:
    """One message as it was recorded: CDR bytes, or ROS 1's own of a ROS 1 bag."""

    topic: str
    type: str
    receive_ns: int
    data: bytes
