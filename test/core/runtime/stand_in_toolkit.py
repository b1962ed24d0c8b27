"""TensorRT's place taken by something that is here, to test all that lies around it.

Run as a program, it builds the engine of a model in a folder, and stops at a given place until a
line comes on stdin: `stand_in_toolkit.py MODEL FOLDER build|record|never`.
"""

from __future__ import annotations

from pathlib import Path
import sys
from typing import TYPE_CHECKING

import numpy as np

from m3l_core.errors import EngineError
from m3l_core.runtime import open_engine
from m3l_core.runtime.tensorrt_building import EngineStore
from m3l_core.runtime.tensorrt_cache import EngineFile
from m3l_core.runtime.tensorrt_key import BuildSettings, Machine, sha256
from m3l_core.runtime.tensorrt_toolkit import Plan, StaleEngineError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from m3l_core.model_card import ModelCard
    from m3l_core.runtime.engine import Engine
    from m3l_core.runtime.tensorrt_key import TensorRtPrecision
    from m3l_core.runtime.tensorrt_progress import Watcher

ORIN = Machine(
    tensorrt='10.3.0',
    gpu='Orin',
    compute_capability='8.7',
    multiprocessors=16,
    memory_gib=62,
    is_integrated=True,
    driver=12060,
    l4t='R36 (release), REVISION: 4.3',
    system='Linux aarch64',
)


_REFERENCES: dict[str, Engine] = {}
"""By the model's hash; to compile one takes longer than all else in a test."""


def _reference(model: Path) -> Engine:
    digest = sha256(model.read_bytes())
    if digest not in _REFERENCES:
        _REFERENCES[digest] = open_engine(model, 'openvino', precision='float32', threads=1)
    return _REFERENCES[digest]


class StandInEngine:
    """OpenVINO, called TensorRT; with wrong labels in the first rows if told so."""

    backend = 'tensorrt'
    streams = 1

    def __init__(self, model: Path, precision: str, wrong_rows: int) -> None:
        self._engine = _reference(model)
        self.card = self._engine.card
        self.precision = precision
        self.wrong_rows = wrong_rows
        self.is_closed = False

    def run(
        self, rgb: NDArray[np.uint8], depth: NDArray[np.float32], present: NDArray[np.float32]
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        labels, confidence = self._engine.run(rgb, depth, present)
        labels = labels.copy()
        labels[:, : self.wrong_rows] = (labels[:, : self.wrong_rows] + 1) % 13
        return labels, confidence

    def close(self) -> None:
        self.is_closed = True


class StandInToolkit:
    """Builds nothing, and counts how often.

    Attributes:
        graphs: What it was asked to build.
        opened: The engines it opened.
        fails_to_run: Makes opening fail as a GPU without memory does.
        refused: Plans it takes for those of another machine.
    """

    def __init__(
        self,
        model: Path,
        here: Machine = ORIN,
        *,
        wrong_rows: int = 0,
        while_building: Callable[[Watcher], None] = lambda _: None,
    ) -> None:
        self._model = model
        self.here = here
        self.wrong_rows = wrong_rows
        self._while_building = while_building
        self.graphs: list[bytes] = []
        self.timing_caches: list[bytes] = []
        self.opened: list[StandInEngine] = []
        self.refused: set[bytes] = set()
        self.fails_to_run = False

    @property
    def builds(self) -> int:
        return len(self.graphs)

    def machine(self) -> Machine:
        return self.here

    def build(
        self, graph: bytes, settings: BuildSettings, timing_cache: bytes, watcher: Watcher
    ) -> Plan:
        self.graphs.append(graph)
        self.timing_caches.append(timing_cache)
        self._while_building(watcher)
        if watcher.is_canceled:
            raise EngineError('TensorRT: the build was canceled.')
        data = f'{settings} {sha256(graph)} build {self.builds}'.encode()
        return Plan(data, timing_cache + b'times', ['Detected layernorm nodes in FP16.'])

    def open(self, plan: bytes, card: ModelCard, precision: TensorRtPrecision) -> Engine:
        if plan in self.refused:
            raise StaleEngineError('TensorRT 10.3.0 cannot load the engine: magicTag.')
        if self.fails_to_run:
            raise EngineError('TensorRT 10.3.0 cannot make the engine ready: out of memory.')
        assert card.name == 'tiny'
        self.opened.append(StandInEngine(self._model, precision, self.wrong_rows))
        return self.opened[-1]


def _main(model: Path, folder: Path, stop_at: str) -> None:
    def stop(*_: object) -> None:
        print('stopped', flush=True)
        sys.stdin.readline()

    toolkit = StandInToolkit(model)
    if stop_at == 'build':
        toolkit = StandInToolkit(model, while_building=stop)
    elif stop_at == 'record':
        EngineFile._write_record = stop  # type: ignore[assignment,method-assign]
    store = EngineStore(model, folder, toolkit, 'float32')
    store.obtain(BuildSettings(precision='float32'), say=lambda text: print(text, flush=True))
    print(f'built {toolkit.builds}', flush=True)


if __name__ == '__main__':
    _main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
