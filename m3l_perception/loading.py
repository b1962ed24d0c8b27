"""How the node comes by its network: opened, and checked against what it should say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from m3l_core.runtime import open_engine, Segmenter
from m3l_core.runtime.cache_folder import cache_folder
from m3l_core.runtime.parity import check_parity_file

if TYPE_CHECKING:
    from m3l_perception.parameters import NodeConfig


def load(config: NodeConfig) -> Segmenter:
    """Open the network, and compare its labels with those in the file that came with it.

    Raises:
        M3lError: If it cannot be opened, or says something else.
    """
    path = config.model_path
    engine = open_engine(
        path,
        config.backend,
        precision=config.precision,
        threads=config.threads,
        cache_dir=cache_folder(),
    )
    recorded = path.with_suffix('.parity.npz')
    if recorded.is_file():
        check_parity_file(engine, recorded)
    return Segmenter(engine)
