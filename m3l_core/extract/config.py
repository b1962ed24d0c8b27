"""Which pairs of a bag are worth keeping."""

from __future__ import annotations

from dataclasses import dataclass
import math
import re

from m3l_core.errors import ConfigError

_EVERY = re.compile(r'(\d+)|(\d+\.?\d*|\.\d+) ?s')


@dataclass(frozen=True, kw_only=True)
class ExtractConfig:
    """What is kept, and where in a bag it is found.

    Raises:
        ConfigError: Naming every value that makes no sense.
    """

    every: str = '1'
    """`5` keeps at most every fifth pair, `0.5s` at most one in half a second."""

    distinct: float = 3.0
    """Gray levels by which a thumbnail must differ, in the mean, from all those kept lately; 0
    keeps everything. In a hand-held camera at 30 Hz half of the steps are above 4 levels."""

    sharpness: float = 0.3
    """Share of the bag's median sharpness below which a pair is blurred; 0 keeps everything.
    Motion over 4 % of the width takes an image to about 0.2, over 2 % to 0.4."""

    rgb: str | None = None
    """Topic of color images; None guesses by types and names."""

    depth: str | None = None
    """Topic of depth images, registered to color; None guesses."""

    depth_stamp_offset: float = 0.0
    """Seconds added to every depth stamp before pairing, for sensors whose clocks differ."""

    def __post_init__(self) -> None:
        problems = []
        if not _EVERY.fullmatch(self.every) or self.every_frames == self.every_s == 0:
            problems.append(f'every: expected pairs such as 5 or seconds such as 0.5s, '
                            f'got {self.every!r}')  # fmt: skip
        if not 0 <= self.distinct <= 255:
            problems.append(f'distinct: expected gray levels of 0 to 255, got {self.distinct:g}')
        if not 0 <= self.sharpness < 1:
            problems.append(f'sharpness: expected at least 0 and below 1, got {self.sharpness:g}')
        if not math.isfinite(self.depth_stamp_offset):
            problems.append(f'depth_stamp_offset: expected seconds, got {self.depth_stamp_offset}')
        if problems:
            raise ConfigError(f'{"; ".join(problems)}.')

    @property
    def every_frames(self) -> int:
        """Pairs from one that is kept to the next, 0 if seconds are given."""
        return int(self.every) if self.every.isdecimal() else 0

    @property
    def every_s(self) -> float:
        """Seconds from one pair that is kept to the next, 0 if pairs are given."""
        return 0.0 if self.every.isdecimal() else float(self.every.rstrip('s'))
