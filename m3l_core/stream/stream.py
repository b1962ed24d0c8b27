"""The front of the stream: images in, frames and mode changes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from m3l_core.stream.mode import Mode, Transition

if TYPE_CHECKING:
    from m3l_core.frames import Modality
    from m3l_core.stream.config import StreamConfig
    from m3l_core.stream.taken import StreamStatistics, Taken


class Stream:
    """Pairs RGB and depth images and says which of them can be relied on."""

    mode: Mode
    reason: str

    def __init__(self, config: StreamConfig) -> None:
        self._config = config
        self.mode = Mode.NO_INPUT
        self.reason = 'starting'

    def add(self, modality: Modality, image: object, *, stamp_ns: int, now_ns: int) -> None:
        """Take in an image that arrived now."""
        raise NotImplementedError

    def take(self, now_ns: int) -> Taken | None:
        """Return the frame to label now, or None."""
        raise NotImplementedError

    def wake_at(self, now_ns: int) -> int | None:
        """Return when `take` or `tick` may say something new without another image."""
        raise NotImplementedError

    def tick(self, now_ns: int) -> list[Transition]:
        """Return the changes of mode since the last call, in order."""
        raise NotImplementedError

    def reset(self) -> None:
        """Forget everything, as after a backward jump of the clock."""
        raise NotImplementedError

    def statistics(self, now_ns: int) -> StreamStatistics:
        """Return the counts so far."""
        raise NotImplementedError
