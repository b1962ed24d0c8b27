"""How the node comes by its network: opened, and checked against what it should say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from m3l_core.runtime import open_engine, Segmenter
from m3l_core.runtime.cache_folder import cache_folder_if_any
from m3l_core.runtime.parity import check_parity_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from m3l_perception.parameters import NodeConfig


class Loading:
    """A network on its way into the node, and what is worth telling of it meanwhile.

    Args:
        config: Which network runs how.
        info: Logs what goes on.
        warn: Logs what is wrong but not fatal.

    Attributes:
        step: What takes long at the moment, such as building an engine; '' before.
        warning: Why the engine is less than the machine could have; '' if it is not.
    """

    def __init__(
        self, config: NodeConfig, info: Callable[[str], object], warn: Callable[[str], object]
    ) -> None:
        self._config = config
        self._info = info
        self._warn = warn
        self.step = self.warning = ''

    def load(self) -> Segmenter:
        """Open the network, and compare its labels with those in the file that came with it.

        Raises:
            M3lError: If it cannot be opened, or says something else.
        """
        config = self._config
        path = config.model_path
        engine = open_engine(
            path,
            config.backend,
            precision=config.precision,
            threads=config.threads,
            cache_dir=cache_folder_if_any(self._on_warning),
            say=self._on_step,
            warn=self._on_warning,
        )
        recorded = path.with_suffix('.parity.npz')
        # A TensorRT engine is checked when it was built, and that is kept beside it.
        if engine.backend != 'tensorrt' and recorded.is_file():
            check_parity_file(engine, recorded)
        return Segmenter(engine)

    def _on_step(self, step: str) -> None:
        self.step = step
        self._info(step)

    def _on_warning(self, warning: str) -> None:
        self.warning = warning
        self._warn(warning)
