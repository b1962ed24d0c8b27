"""Engine files are known by what they were built for, and never loaded blindly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stand_in_builder import Builder
from stand_in_toolkit import ORIN

from m3l_core.errors import EngineError
from m3l_core.runtime.onnx_card import read_onnx_card, with_card
from m3l_core.runtime.tensorrt_toolkit import StaleEngineError


def test_record_tells_what_was_built_where_and_how(builder: Builder) -> None:
    builder.obtain()
    record = builder.store.file.record()
    assert record['machine']['gpu'] == 'Orin'
    assert record['settings'] == {
        'precision': 'float32', 'workspace_mib': 1024, 'optimization_level': 3
    }  # fmt: skip
    assert record['warnings'] == ['Detected layernorm nodes in FP16.']
    assert record['model'] == 'tiny.onnx'
    assert record['build_seconds'] >= 0


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        ({'tensorrt': '10.16.2'}, 'tensorrt 10.3.0, here 10.16.2'),
        ({'gpu': 'Thor', 'compute_capability': '11.0'}, 'gpu Orin, here Thor, compute_cap'),
        ({'multiprocessors': 8}, 'multiprocessors 16, here 8'),
        ({'memory_gib': 30}, 'memory_gib 62, here 30'),
        ({'driver': 13000}, 'driver 12060, here 13000'),
        ({'l4t': ''}, 'REVISION: 4.3, here '),
        ({'system': 'Linux x86_64'}, 'system Linux aarch64, here Linux x86_64'),
    ],
)
def test_another_machine_builds_its_own(
    builder: Builder, change: dict[str, object], said: str
) -> None:
    builder.obtain()
    builder.toolkit.here = replace(ORIN, **change)  # type: ignore[arg-type]
    with pytest.raises(StaleEngineError, match='no such engine; the last one was built with'):
        builder.open()
    builder.obtain()
    assert said in builder.said[-2]
    assert builder.toolkit.builds == 2


def test_changed_model_is_built_again(builder: Builder) -> None:
    builder.obtain()
    data = builder.model.read_bytes()
    card = replace(read_onnx_card(builder.model), license_note='changed')
    builder.model.write_bytes(with_card(data, card))
    builder.obtain()
    assert 'no such engine; the last one was built with another tiny.onnx.' in builder.said[-2]
    assert builder.toolkit.builds == 2


def test_copy_under_the_name_of_another_is_refused(builder: Builder) -> None:
    """As when a person renames the engine of an old version to have it taken."""
    builder.obtain()
    old = builder.store.file.path
    builder.toolkit.here = replace(ORIN, tensorrt='10.16.2')
    for suffix in ('.engine', '.json'):
        old.with_suffix(suffix).rename(builder.store.file.path.with_suffix(suffix))
    with pytest.raises(StaleEngineError) as caught:
        builder.open()
    assert str(caught.value) == (
        f'{builder.store.file.path}: was built for another model, machine or version; '
        'the last one was built with tensorrt 10.3.0, here 10.16.2.'
    )
    builder.obtain()
    assert builder.toolkit.builds == 2


@pytest.mark.parametrize('keep', [0, 1, -1])
def test_truncated_engine_is_never_loaded(builder: Builder, keep: int) -> None:
    builder.obtain()
    path = builder.store.file.path
    whole = path.read_bytes()
    path.write_bytes(whole[:keep])
    with pytest.raises(StaleEngineError) as caught:
        builder.open()
    assert str(caught.value) == (
        f'{path}: is damaged: expected the {len(whole)} bytes that were built, '
        f'got {len(whole[:keep])} with another hash.'
    )
    assert len(builder.toolkit.opened) == 1
    builder.obtain()
    assert builder.toolkit.builds == 2


def test_engine_with_one_bit_turned_is_never_loaded(builder: Builder) -> None:
    builder.obtain()
    path = builder.store.file.path
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(StaleEngineError, match='is damaged'):
        builder.open()


@pytest.mark.parametrize('text', ['', '[]', '{"key"', '{}'])
def test_engine_with_a_damaged_record_is_built_again(builder: Builder, text: str) -> None:
    builder.obtain()
    builder.store.file.path.with_suffix('.json').write_text(text)
    builder.obtain()
    assert builder.toolkit.builds == 2


def test_engine_that_tensorrt_refuses_is_built_again(builder: Builder) -> None:
    builder.obtain()
    builder.toolkit.refused.add(builder.store.file.path.read_bytes())
    builder.obtain()
    assert builder.said[-2] == 'TensorRT 10.3.0 cannot load the engine: magicTag.'
    assert builder.toolkit.builds == 2


def test_engine_in_the_folder_of_another_user_is_opened(builder: Builder) -> None:
    """As when an administrator built it for a service; root may write anywhere, so it is read."""
    builder.obtain()
    before = {path: path.stat().st_mtime_ns for path in builder.folder.iterdir()}
    builder.open()
    assert {path: path.stat().st_mtime_ns for path in builder.folder.iterdir()} == before


@pytest.mark.parametrize('suffix', ['.engine', '.lock', '.parity.npz'])
def test_file_that_may_not_be_read_is_named(
    builder: Builder, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    """Permissions keep root from nothing, so they are made up."""
    builder.obtain()
    open_path = Path.open

    def refuse(path: Path, *args: Any, **options: Any) -> Any:
        if path.name.endswith(suffix):
            raise PermissionError(13, 'Permission denied')
        return open_path(path, *args, **options)

    monkeypatch.setattr(Path, 'open', refuse)
    with pytest.raises(EngineError, match=rf'{suffix}: cannot be read: Permission denied\.$'):
        builder.open()


def test_folder_that_cannot_be_written_is_named(model: Path, tmp_path: Path) -> None:
    (tmp_path / 'file').write_bytes(b'')
    with pytest.raises(EngineError) as caught:
        Builder(model, tmp_path / 'file' / 'engines').obtain()
    assert str(caught.value) == (
        f'{tmp_path}/file/engines: engines cannot be kept there: Not a directory. '
        'Give another folder with --cache or $M3L_CACHE.'
    )
