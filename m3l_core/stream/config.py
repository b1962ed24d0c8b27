"""What a user may set about pairing, waiting and failing over."""

from __future__ import annotations

from dataclasses import dataclass, fields
import math
from typing import Literal

from m3l_core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class StreamConfig:
    """How far apart two images may be, how long one waits, and when a stream counts as lost.

    Names and defaults are those of the node's parameters; times are seconds.

    Raises:
        ConfigError: Naming every value that is refused.
    """

    max_pair_gap: float = 0.0
    """Largest difference of stamps that still makes a pair; 0 takes 0.55 of the measured stamp
    period of the faster stream, at most 35 ms."""

    depth_stamp_offset: float = 0.0
    """Added to every depth stamp before pairing, for sensors whose clocks differ."""

    pair_wait: float = 0.0
    """How long an RGB image waits for its depth image after it arrived; 0 learns the 99th
    percentile of depth's lag and adds 10 ms."""

    pair_wait_max: float = 0.15
    """Most that a learned wait may be, and the wait until it is learned."""

    stale_after: float = 0.0
    """Silence after which a stream counts as lost, though never less than 2.5 of its measured
    periods; 0 takes four, at least 0.3 s."""

    recovery_frames: int = 3
    """Successive frames that must have paired before the mode is RGBD again."""

    recovery_time: float = 0.5
    """Time for which frames must have paired before the mode is RGBD again."""

    unpaired: Literal['skip', 'rgb'] = 'skip'
    """What becomes of RGB images between two images of a slower depth stream while the mode is
    RGBD: `skip` leaves them out, `rgb` labels them from RGB alone."""

    def __post_init__(self) -> None:
        """Refuse what no camera could mean, all of it at once."""
        problems = [
            f'{field.name}: expected a finite number of seconds, got {value!r}'
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), float) and not math.isfinite(value)
        ]
        problems += [
            f'{name}: expected at least 0, got {value!r}'
            for name in ('max_pair_gap', 'pair_wait', 'stale_after', 'recovery_time')
            if (value := getattr(self, name)) < 0
        ]
        if not 0 < self.pair_wait_max <= 2:
            problems.append(
                f'pair_wait_max: expected more than 0 and at most 2, got {self.pair_wait_max!r}',
            )
        if self.recovery_frames < 1:
            problems.append(f'recovery_frames: expected at least 1, got {self.recovery_frames!r}')
        if self.unpaired not in ('skip', 'rgb'):
            problems.append(f"unpaired: expected 'skip' or 'rgb', got {self.unpaired!r}")
        if problems:
            raise ConfigError('; '.join(problems) + '.')
