"""OpenVINO: what it keeps between two starts, and what its layers take."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
import shutil
from typing import Any, TYPE_CHECKING

import numpy as np
import pytest

from m3l_core.errors import EngineError, ModelError
from m3l_core.runtime import open_engine, Segmenter

pytest.importorskip('openvino')

from m3l_core.runtime import openvino_engine
from m3l_core.runtime.openvino_cache import LOCK
from m3l_core.runtime.openvino_engine import (
    layer_times,
    OpenVinoEngine,
    product_rate,
)

if TYPE_CHECKING:
    from m3l_core.frames import RgbdFrame


def cached(path: Path, cache: Path, warn: object = pytest.fail) -> OpenVinoEngine:
    return OpenVinoEngine(
        path,
        precision='float32',
        threads=1,
        cache_dir=cache,
        warn=warn,  # type: ignore[arg-type]
    )


def blob(cache: Path) -> Path:
    (found,) = cache.glob('*.blob')
    return found


def test_second_start_takes_the_compiled_network(
    tiny_files: Path, frame: RgbdFrame, tmp_path: Path
) -> None:
    engines = [cached(tiny_files, tmp_path / 'new' / 'cache') for _ in range(2)]
    assert [engine.is_from_cache for engine in engines] == [False, True]
    labels = [Segmenter(engine).segment(frame).labels for engine in engines]
    np.testing.assert_array_equal(*labels)


def test_nothing_is_kept_unless_told_where(tiny_files: Path) -> None:
    engine = OpenVinoEngine(tiny_files, precision='float32', threads=1)
    assert not engine.is_from_cache


def test_one_engine_at_a_time_has_the_cache(
    tiny_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or it is killed while it maps a file that another one writes anew."""
    found_locked: list[bool] = []

    class Core(openvino_engine.ov.Core):  # type: ignore[misc,name-defined]
        def compile_model(self, *args: Any) -> Any:
            with (tmp_path / LOCK).open() as file, pytest.raises(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found_locked.append(True)
            return super().compile_model(*args)

    monkeypatch.setattr(openvino_engine.ov, 'Core', Core)
    engines = [cached(tiny_files, tmp_path) for _ in range(2)]
    assert [engine.is_from_cache for engine in engines] == [False, True]
    assert found_locked == [True, True]


def test_engine_does_not_hang_on_the_file_it_was_read_from(
    tiny_files: Path, tmp_path: Path
) -> None:
    cached(tiny_files, tmp_path)
    engine = cached(tiny_files, tmp_path)
    assert engine.is_from_cache
    assert str(blob(tmp_path)) not in Path('/proc/self/maps').read_text()


def test_folder_without_locks_is_told_and_done_without(
    tiny_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on NFS without its lock service."""

    def refuse(*_: object) -> None:
        raise OSError(37, 'No locks available')

    monkeypatch.setattr(fcntl, 'flock', refuse)
    warnings: list[str] = []
    for _ in range(2):
        assert not cached(tiny_files, tmp_path, warnings.append).is_from_cache
    assert warnings[0].startswith(f'{tmp_path}: No locks available, so the next start')


@pytest.mark.parametrize('keep', [0, 100, 0.5, -100])
def test_cut_off_cache_is_made_again(
    tiny_files: Path, frame: RgbdFrame, tmp_path: Path, keep: float
) -> None:
    expected = Segmenter(cached(tiny_files, tmp_path)).segment(frame).labels
    whole = blob(tmp_path).read_bytes()
    cut = whole[: int(keep * len(whole)) if isinstance(keep, float) else keep]
    replacement = blob(tmp_path)
    replacement.unlink()  # OpenVINO keeps it read-only
    replacement.write_bytes(cut)
    engine = cached(tiny_files, tmp_path)
    assert not engine.is_from_cache
    np.testing.assert_array_equal(Segmenter(engine).segment(frame).labels, expected)
    assert cached(tiny_files, tmp_path).is_from_cache


def test_model_that_was_replaced_is_compiled_again(tiny_files: Path, tmp_path: Path) -> None:
    model = tmp_path / 'model.onnx'
    shutil.copy(tiny_files, model)
    cached(model, tmp_path / 'cache')
    os.utime(model, (1, 1))
    assert not cached(model, tmp_path / 'cache').is_from_cache


def test_folder_that_cannot_be_made_is_told_and_done_without(
    tiny_files: Path, frame: RgbdFrame, tmp_path: Path
) -> None:
    (tmp_path / 'file').write_text('no folder')
    warnings: list[str] = []
    engine = cached(tiny_files, tmp_path / 'file' / 'cache', warnings.append)
    assert Segmenter(engine).segment(frame).labels.shape == frame.size
    assert warnings == [
        f'{tmp_path}/file/cache: Not a directory, so the next start compiles again. '
        'Make it a folder one can write to, or set $M3L_CACHE to another.'
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason='root may write everywhere')
def test_folder_that_cannot_be_written_is_told(tiny_files: Path, tmp_path: Path) -> None:
    folder = tmp_path / 'cache'
    folder.mkdir(mode=0o555)
    warnings: list[str] = []
    assert not cached(tiny_files, folder, warnings.append).is_from_cache
    assert 'no right to write' in warnings[0]


def test_damaged_model_is_refused_with_a_cache_too(tiny_files: Path, tmp_path: Path) -> None:
    path = tmp_path / 'cut.onnx'
    data = bytearray(tiny_files.read_bytes())
    data[2000:6000] = bytes(4000)
    path.write_bytes(data)
    with pytest.raises(ModelError) as caught:
        cached(path, tmp_path / 'cache')
    assert '\n' not in str(caught.value)


def test_precision_it_does_not_have_is_named(tiny_files: Path) -> None:
    with pytest.raises(EngineError, match=r'expected one of auto, float32, bf16, got .float16'):
        open_engine(tiny_files, 'openvino', precision='float16')


def test_layer_times_leave_the_warm_up_out(tiny_files: Path, frame: RgbdFrame) -> None:
    assert frame.rgb is not None
    assert frame.depth_m is not None
    inputs = (frame.rgb[None], frame.depth_m[None], np.ones((1, 2), np.float32))
    layers = layer_times(tiny_files, inputs, precision='float32', threads=1, runs=4)
    assert {'FullyConnected', 'MVN', 'GroupConvolution'} <= {layer.kind for layer in layers}
    times = [layer.milliseconds for layer in layers]
    assert times == sorted(times, reverse=True)
    assert 0 < times[0] < 1000


def test_a_large_product_is_timed() -> None:
    assert product_rate('float32', threads=1, size=256) > 1e8
