"""What all runs of a bag share: the bag, the engine, and how both are used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TYPE_CHECKING

if TYPE_CHECKING:
    from m3l_core.bags.reading import Bag
    from m3l_core.bags.topics import RgbdTopics
    from m3l_core.replay.parameters import Parameters
    from m3l_core.runtime import Segmenter

EngineTime = float | Literal['measured']
"""How long a frame keeps the engine busy on the bag's clock, in ms."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What holds for every run of a replay."""

    engine_ms: EngineTime = 0.0
    """How long a frame keeps the engine busy on the bag's clock; 0 labels every frame."""
    compare_every: int = 10
    """Of how many pairs one is labeled from either image alone too; 0 for none."""
    fallback_topic: str | None = None
    """Depth that is not registered to color, labeled while both other streams are gone."""
    truth: str = 'auto'
    """A label topic, a folder of label images, `auto` or `none`."""
    truth_ids: str = 'classes'
    """What ids in label images mean; see `truth.id_table`."""

    @property
    def timing(self) -> str:
        """How time passes, in words."""
        if self.engine_ms == 'measured':
            return 'realtime'
        return f'latency {self.engine_ms:g} ms' if self.engine_ms else 'every-frame'


@dataclass(frozen=True, eq=False)
class Replayed:
    """What a replay takes: an open bag, and an engine as the node's parameters have it."""

    bag: Bag
    topics: RgbdTopics
    segmenter: Segmenter
    parameters: Parameters
    options: Options
    warnings: tuple[str, ...] = ()
    """What is odd about the engine, as the node would log it."""
