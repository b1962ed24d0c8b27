"""Libraries that are installed and cannot be loaded, as wheels made for another CUDA."""

from __future__ import annotations

from importlib.abc import MetaPathFinder
import sys
from typing import TYPE_CHECKING

import pytest

from m3l_core.errors import EngineError
from m3l_core.runtime import choosing, open_engine

if TYPE_CHECKING:
    from pathlib import Path

PROBLEM = 'libcublas.so.12: cannot open shared object file: No such file or directory'


class Broken(MetaPathFinder):
    """Fails to load one module, as a library below it that is not there does."""

    def __init__(self, module: str, error: Exception) -> None:
        self._module = module
        self._error = error

    def find_spec(self, name: str, *_: object) -> None:
        if name == self._module:
            raise self._error


@pytest.fixture(params=[OSError(PROBLEM), ImportError(PROBLEM)], ids=['OSError', 'ImportError'])
def broken(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No torch that can be loaded."""
    module = 'm3l_core.runtime.torch_engine'
    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setattr(sys, 'meta_path', [Broken(module, request.param), *sys.meta_path])
    return monkeypatch


def test_auto_passes_by_a_torch_that_cannot_be_loaded(
    tiny_files: Path, broken: pytest.MonkeyPatch
) -> None:
    pytest.importorskip('openvino')
    broken.setattr(choosing, 'has_gpu', lambda: True)
    warnings: list[str] = []
    engine = open_engine(tiny_files, 'auto', warn=warnings.append)
    assert engine.backend == 'openvino'
    engine.close()
    assert PROBLEM in warnings[-1]


@pytest.mark.usefixtures('broken')
def test_engine_that_cannot_be_loaded_is_named_with_the_reason(tiny_files: Path) -> None:
    with pytest.raises(EngineError) as caught:
        open_engine(tiny_files, 'torch')
    assert str(caught.value) == (
        f'the torch engine: torch is installed, but cannot be loaded: {PROBLEM}. Install it again.'
    )
