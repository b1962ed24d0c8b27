"""From an exported network to an engine that was checked: found in the cache, or built into it.

    no file, damaged, of another machine --build--> unchecked --parity--> passed, opened
                    ^                                   |
                    +---- TensorRT refuses the file     +--parity--> failed, refused by name

TensorRT itself is behind `Toolkit`, so all of this runs, and is tested, without it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any, TYPE_CHECKING

from m3l_core.errors import EngineError, M3lError, missing_module
from m3l_core.runtime.cache_folder import cache_folder
from m3l_core.runtime.onnx_card import read_onnx_card
from m3l_core.runtime.parity import check_parity_file, ParityError
from m3l_core.runtime.tensorrt_cache import EngineFile, read_bytes
from m3l_core.runtime.tensorrt_key import BuildSettings, sha256
from m3l_core.runtime.tensorrt_progress import Lines
from m3l_core.runtime.tensorrt_toolkit import StaleEngineError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from m3l_core.runtime.engine import Engine
    from m3l_core.runtime.tensorrt_key import TensorRtPrecision
    from m3l_core.runtime.tensorrt_progress import Watcher
    from m3l_core.runtime.tensorrt_toolkit import Plan, Toolkit


_PRECISIONS: tuple[TensorRtPrecision, ...] = ('float16', 'float32')
"""In the order in which 'auto' takes them."""


class EngineStore:
    """The engine of one model on this machine, in a folder of engines.

    Args:
        model: The exported network; `NAME.parity.npz` must lie beside it.
        folder: Where engines are kept.
        toolkit: Builds and opens them.
        precision: What the engine computes in.

    Raises:
        ModelError: If the model cannot be read.
        EngineError: If the machine cannot run engines, or the parity file is missing.
    """

    def __init__(
        self, model: Path, folder: Path, toolkit: Toolkit, precision: TensorRtPrecision
    ) -> None:
        self.card = read_onnx_card(model)
        self.parity_path = model.with_suffix('.parity.npz')
        if not self.parity_path.is_file():
            raise EngineError(
                f'{self.parity_path}: no such file, and without it an engine of {model.name} '
                'cannot be checked. m3l export writes both; copy it beside the model.'
            )
        self._toolkit = toolkit
        self.file = EngineFile(folder, model, toolkit.machine(), precision)

    def open(self, *, say: Callable[[str], None]) -> Engine:
        """Return the engine that was built and checked before; builds nothing.

        Args:
            say: Told if a check could not be recorded.

        Raises:
            StaleEngineError: If there is none for this model and machine, or it is damaged.
            EngineError: If it computes wrong labels, or cannot be loaded.
        """
        with self.file.unchanging():
            return self._opened(self.file.read(), say)

    def obtain(
        self,
        settings: BuildSettings,
        *,
        say: Callable[[str], None],
        watcher: Watcher | None = None,
        force: bool = False,
        any_settings: bool = False,
    ) -> Engine:
        """Return the engine, built if there is none that fits, and checked.

        Args:
            settings: How to build.
            say: Told what is going on.
            watcher: Told how a build goes; None tells `say` of it.
            force: Build again, unless another process has done so while this one waited for it.
            any_settings: Take an engine that was built with other settings.

        Raises:
            ModelError: If no graph can be derived from the model, or it changed meanwhile.
            EngineError: If TensorRT cannot build it, or the engine computes wrong labels.
        """
        before = self.file.built()
        with self.file.locked(say):
            if not force or self.file.built() != before:
                try:
                    plan = self.file.read()
                    different = '' if any_settings else self.file.settings_differ(settings)
                    if not different:
                        return self._opened(plan, say)
                    say(f'{self.file.path.name}: was built with {different}')
                except StaleEngineError as error:
                    say(str(error))
            self._build(settings, say, watcher or Lines(say))
            return self._opened(self.file.read(), say)

    def parity(self) -> dict[str, Any]:
        """Return how the engine's labels compared, as recorded; empty if not checked yet."""
        recorded = self.file.record().get('parity')
        return recorded if isinstance(recorded, dict) else {}

    def _build(
        self, settings: BuildSettings, say: Callable[[str], None], watcher: Watcher
    ) -> None:
        name, precision = self.file.model.name, settings.precision
        say(f'{name}: building a TensorRT engine in {precision}; this takes minutes')
        graph = typed_graph(self.file.model_bytes(), settings.precision)
        start = perf_counter()
        timing_cache = self.file.timing_cache()
        plan = _interruptibly(
            lambda: self._toolkit.build(graph, settings, timing_cache, watcher), watcher
        )
        seconds = round(perf_counter() - start, 1)
        self.file.store(plan.data, settings, build_seconds=seconds, warnings=plan.warnings)
        if plan.timing_cache:
            try:
                self.file.store_timing_cache(plan.timing_cache)
            except M3lError as error:
                say(f'{error} The next build takes as long as this one.')

    def _opened(self, plan: bytes, say: Callable[[str], None]) -> Engine:
        """Return the engine in `plan`, after its labels were compared once."""
        recorded, expected = self.parity(), sha256(read_bytes(self.parity_path))
        is_checked = recorded.get('file_sha256') == expected
        if is_checked and recorded.get('problem'):
            raise ParityError(self._refusal(str(recorded['problem'])))
        engine = self._toolkit.open(plan, self.card, self.file.precision)
        if is_checked:
            return engine
        try:
            agreements = check_parity_file(engine, self.parity_path)
        except ParityError as error:
            engine.close()
            self._record({'file_sha256': expected, 'problem': str(error)}, say)
            raise ParityError(self._refusal(str(error))) from error
        except BaseException:
            engine.close()
            raise
        modes = {mode: agreement.summary() for mode, agreement in agreements.items()}
        self._record({'file_sha256': expected, 'problem': '', 'modes': modes}, say)
        return engine

    def _record(self, parity: dict[str, Any], say: Callable[[str], None]) -> None:
        try:
            self.file.record_parity(parity)
        except EngineError as error:  # the engine is as good or bad without it
            say(f'{error} So the next start checks the engine again.')

    def _refusal(self, problem: str) -> str:
        command = _build_command(self.file.model, 'float32')
        if self.file.precision == 'float32':
            command += ' --force'
        return f'{self.file.path}: {problem} Or build another: {command}'


def _build_command(model: Path, precision: TensorRtPrecision) -> str:
    option = '' if precision == BuildSettings.precision else f' --precision {precision}'
    return f'm3l build {model}{option}'


def _interruptibly(build: Callable[[], Plan], watcher: Watcher) -> Plan:
    """Build in another thread: Ctrl-C would not arrive in one that is inside TensorRT."""
    with ThreadPoolExecutor(1, 'm3l-build') as pool:  # which waits for it at the end
        try:
            return pool.submit(build).result()
        except KeyboardInterrupt:
            watcher.is_canceled = True
            raise


def open_tensorrt(
    model: Path,
    precision: str,
    cache_dir: Path | None,
    *,
    may_build: bool,
    say: Callable[[str], None],
    warn: Callable[[str], None],
) -> Engine:
    """Return the TensorRT engine of an exported network, checked.

    Args:
        model: The ONNX file.
        precision: 'float16', 'float32', or 'auto' for float16, else a float32 one that was built.
        cache_dir: Where compiled networks are kept; None for the usual place.
        may_build: Build it where there is none, which takes minutes.
        say: Told what is going on.
        warn: Told why 'auto' passes by a float16 engine that was built.

    Raises:
        ModelError: If the model cannot be read, or no graph be derived from it.
        EngineError: If there is no engine and none can be built, or it computes wrong labels.
    """
    toolkit = load_toolkit('the tensorrt engine')
    wanted = (
        _PRECISIONS if precision == 'auto' else tuple(p for p in _PRECISIONS if p == precision)
    )
    stores = [EngineStore(model, engines_folder(cache_dir), toolkit, p) for p in wanted]
    problems: list[EngineError] = []
    for store in stores:
        try:
            engine = store.open(say=warn)
        except EngineError as error:
            problems.append(error)
            continue
        for problem in problems:
            if not isinstance(problem, StaleEngineError):
                warn(str(problem))
        return engine
    if not may_build:
        if not isinstance(problems[0], StaleEngineError):
            raise problems[0]
        raise EngineError(f'{problems[0]} Run: {_build_command(model, wanted[0])}')
    settings = BuildSettings(precision=wanted[0])
    return stores[0].obtain(settings, say=say, any_settings=True)


def engines_folder(cache_dir: Path | None) -> Path:
    """Return where TensorRT engines are kept, in a folder of the user's or the usual one."""
    return (cache_dir or cache_folder()) / 'tensorrt'


def load_toolkit(needed_by: str) -> Toolkit:
    """Return TensorRT and the GPU, behind their seam.

    Raises:
        EngineError: If TensorRT or pycuda is missing, too old, or cannot be loaded.
    """
    try:
        from m3l_core.runtime.tensorrt_engine import TensorRtToolkit
    except ModuleNotFoundError as error:
        raise EngineError(
            f'{missing_module(error, needed_by)} (on a Jetson, TensorRT comes with JetPack 6.1 '
            'or newer; see docs/engines.md).'
        ) from error
    except (ImportError, OSError) as error:  # installed, but a library below it is not
        raise EngineError(
            f'{needed_by} cannot load {getattr(error, "name", "") or "its libraries"}: {error}. '
            'Are TensorRT, CUDA and the GPU driver installed? See docs/engines.md.'
        ) from error
    return TensorRtToolkit()


def typed_graph(data: bytes, precision: TensorRtPrecision) -> bytes:
    """Return the ONNX file `data` with the number formats in it that TensorRT shall use.

    Raises:
        ModelError: If the file is damaged or does not tell what may be FP16.
        EngineError: If the onnx package is missing.
    """
    try:
        from m3l_core.runtime.mixed_graph import float32_graph, mixed_precision_graph
    except ModuleNotFoundError as error:
        raise EngineError(  # onnx is in the train extra as well, but that would bring torch
            f'building a TensorRT engine needs {error.name}, which is not installed. '
            'Run: pip install "m3l_perception[tensorrt]"'
        ) from error
    return mixed_precision_graph(data) if precision == 'float16' else float32_graph(data)
