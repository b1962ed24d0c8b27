"""The seam to TensorRT and the GPU: on this side nothing needs either."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, TYPE_CHECKING

from m3l_core.errors import EngineError

if TYPE_CHECKING:
    from m3l_core.model_card import ModelCard
    from m3l_core.runtime.engine import Engine
    from m3l_core.runtime.tensorrt_key import BuildSettings, Machine, TensorRtPrecision
    from m3l_core.runtime.tensorrt_progress import Watcher


class StaleEngineError(EngineError):
    """An engine that is not there, not whole, or not of this model, machine or version."""


@dataclass(frozen=True)
class Plan:
    """What a build gives.

    Attributes:
        data: The engine.
        timing_cache: Times of kernels that were measured, for the next build.
        warnings: What TensorRT remarked.
    """

    data: bytes
    timing_cache: bytes
    warnings: list[str] = field(default_factory=list)


class Toolkit(Protocol):
    """What building and opening engines needs of TensorRT and the GPU."""

    def machine(self) -> Machine:
        """Return what engines built here depend on.

        Raises:
            EngineError: If TensorRT is too old, or there is no GPU.
        """

    def build(
        self, graph: bytes, settings: BuildSettings, timing_cache: bytes, watcher: Watcher
    ) -> Plan:
        """Build the engine of an ONNX graph.

        Raises:
            EngineError: If TensorRT cannot, or the watcher had it canceled.
        """

    def open(self, plan: bytes, card: ModelCard, precision: TensorRtPrecision) -> Engine:
        """Load an engine.

        Raises:
            StaleEngineError: If TensorRT refuses the plan.
            EngineError: If it cannot be made ready to run.
        """
