"""A machine with a stand-in for TensorRT, a folder of engines, and what it says."""

from __future__ import annotations

from typing import NoReturn, TYPE_CHECKING

from stand_in_toolkit import StandInToolkit

from m3l_core.runtime.tensorrt_building import EngineStore
from m3l_core.runtime.tensorrt_key import BuildSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from m3l_core.runtime.engine import Engine

STRICT = BuildSettings(precision='float32')


class Builder:
    """Builds and opens the engine of one model in float32."""

    def __init__(self, model: Path, folder: Path) -> None:
        self.model = model
        self.folder = folder
        self.toolkit = StandInToolkit(model)
        self.said: list[str] = []

    @property
    def store(self) -> EngineStore:
        return EngineStore(self.model, self.folder, self.toolkit, 'float32')

    def open(self) -> Engine:
        return self.store.open(say=self.said.append)

    def obtain(
        self, settings: BuildSettings = STRICT, *, force: bool = False, any_settings: bool = False
    ) -> Engine:
        return self.store.obtain(
            settings, say=self.said.append, force=force, any_settings=any_settings
        )


def suffixes(folder: Path) -> list[str]:
    """Return the kinds of files in a folder of one engine."""
    return sorted(path.suffix or path.name for path in folder.iterdir())


def failing(problem: Exception) -> Callable[..., NoReturn]:
    """Return what to put in the place of a function that shall fail."""

    def fail(*_: object) -> NoReturn:
        raise problem

    return fail
