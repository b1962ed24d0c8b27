"""Two unreliable image streams in, frames to label out; no clock, thread or ROS of its own."""

from m3l_core.stream.config import StreamConfig
from m3l_core.stream.mode import Mode, Transition
from m3l_core.stream.stream import Stream
from m3l_core.stream.taken import InputStatistics, StreamStatistics, Taken

__all__ = [
    'InputStatistics',
    'Mode',
    'Stream',
    'StreamConfig',
    'StreamStatistics',
    'Taken',
    'Transition',
]
