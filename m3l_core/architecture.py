"""The sizes, and the kind of fusion, that make one network differ from another."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, get_args, Literal, TYPE_CHECKING

from m3l_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

Fusion = Literal['linear', 'rgb', 'depth', 'tokens']
"""How the streams meet: mixed linearly (M3L), not at all as there is only one, or by tokens."""

SMALLEST_SIDE = 32
"""Of an image that a network takes: its coarsest scale is 1/32."""

_MIT = {
    'b0': ((32, 64, 160, 256), (2, 2, 2, 2)),
    'b1': ((64, 128, 320, 512), (2, 2, 2, 2)),
    'b2': ((64, 128, 320, 512), (3, 4, 6, 3)),
    'b3': ((64, 128, 320, 512), (3, 4, 18, 3)),
    'b4': ((64, 128, 320, 512), (3, 8, 27, 3)),
    'b5': ((64, 128, 320, 512), (3, 6, 40, 3)),
}
"""Embedding sizes and block counts of the Mix Transformers (SegFormer, NeurIPS 2021, table 6)."""


@dataclass(frozen=True)
class Architecture:
    """Sizes of a network and its fusion; one entry per encoder stage where there are four."""

    embed_dims: tuple[int, ...]
    num_heads: tuple[int, ...]
    depths: tuple[int, ...]
    sr_ratios: tuple[int, ...]
    mlp_ratio: int
    decoder_dim: int
    num_classes: int
    fusion_ratio: float
    """Share of a stream's own attention in its mix with the other's; 0.8 in the paper.

    Of use to Linear Fusion only.
    """
    fusion: Fusion = 'linear'

    def __post_init__(self) -> None:
        stages = (self.embed_dims, self.num_heads, self.depths, self.sr_ratios)
        problems = []
        if any(len(stage) != 4 for stage in stages):
            problems.append('embed_dims, num_heads, depths and sr_ratios need 4 entries each')
        if any(value < 1 for stage in stages for value in stage):
            problems.append('every entry must be at least 1')
        elif any(c % h for c, h in zip(self.embed_dims, self.num_heads, strict=False)):
            problems.append('embed_dims must divide by num_heads')
        if not 0 <= self.fusion_ratio <= 1:
            problems.append(f'fusion_ratio must lie in [0, 1], got {self.fusion_ratio}')
        if not 1 <= self.num_classes <= 255:
            problems.append(f'num_classes must lie in [1, 255], got {self.num_classes}')
        if self.fusion not in get_args(Fusion):
            known = ', '.join(get_args(Fusion))
            problems.append(f'fusion must be one of {known}, got {self.fusion!r}')
        if problems:
            raise ConfigError(f'architecture: {"; ".join(problems)}.')

    @property
    def streams(self) -> slice:
        """Which of (RGB, depth) the network looks at."""
        return {'rgb': slice(0, 1), 'depth': slice(1, 2)}.get(self.fusion, slice(0, 2))

    @property
    def modalities(self) -> int:
        """How many images the network looks at."""
        return len(range(2)[self.streams])

    @classmethod
    def mit(cls, size: str, *, num_classes: int, fusion: Fusion = 'linear') -> Architecture:
        """Return the network over the Mix Transformer `size`, 'b0' to 'b5'.

        Raises:
            ConfigError: If there is no Mix Transformer of that name.
        """
        if size not in _MIT:
            raise ConfigError(f'architecture: expected one of {", ".join(_MIT)}, got {size!r}.')
        embed_dims, depths = _MIT[size]
        return cls(
            embed_dims=embed_dims,
            num_heads=(1, 2, 5, 8),
            depths=depths,
            sr_ratios=(8, 4, 2, 1),
            mlp_ratio=4,
            decoder_dim=256,
            num_classes=num_classes,
            fusion_ratio=0.8,
            fusion=fusion,
        )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Architecture:
        """Return the architecture that `to_dict` wrote.

        Raises:
            ConfigError: If a key is missing or unknown.
        """
        try:
            arguments: dict[str, Any] = {
                name: tuple(value) if isinstance(value, list) else value
                for name, value in values.items()
            }
            return cls(**arguments)
        except TypeError as error:
            raise ConfigError(f'architecture: {error}.') from error

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)
