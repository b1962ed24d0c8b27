"""Two unreliable image streams in, frames to label out; no clock, thread or ROS of its own."""

from m3l_core.stream.config import StreamConfig
from m3l_core.stream.content import Content, ContentWatch
from m3l_core.stream.health import Finding
from m3l_core.stream.mode import Mode, Transition
from m3l_core.stream.stream import Stream
from m3l_core.stream.taken import InputStatistics, StreamStatistics, Taken

__all__ = [
    'Content',
    'ContentWatch',
    'Finding',
    'InputStatistics',
    'Mode',
    'Stream',
    'StreamConfig',
    'StreamStatistics',
    'Taken',
    'Transition',
]
