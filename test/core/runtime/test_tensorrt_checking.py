"""Every engine is compared once with what its model should say, and a wrong one is refused."""

from __future__ import annotations

import numpy as np
import pytest
from stand_in_builder import Builder, failing

from m3l_core.errors import EngineError
from m3l_core.runtime.parity import ParityError
from m3l_core.runtime.tensorrt_cache import EngineFile


def test_wrong_engine_is_refused_by_name_and_not_tried_again(builder: Builder) -> None:
    builder.toolkit.wrong_rows = 30
    with pytest.raises(ParityError) as caught:
        builder.obtain()
    told = str(caught.value)
    assert told.startswith(f'{builder.store.file.path}: tensorrt float32: computes other labels')
    command = f'm3l build {builder.model} --precision float32 --force'
    assert told.endswith(f'Or build another: {command}')
    assert '\n' not in told
    assert builder.toolkit.opened[0].is_closed
    for attempt in (builder.open, builder.obtain):
        with pytest.raises(ParityError) as caught:
            attempt()
        assert str(caught.value) == told
    assert (builder.toolkit.builds, len(builder.toolkit.opened)) == (1, 1)


def test_force_builds_again_and_clears_what_was_wrong(builder: Builder) -> None:
    builder.toolkit.wrong_rows = 30
    with pytest.raises(ParityError):
        builder.obtain()
    builder.toolkit.wrong_rows = 0
    builder.obtain(force=True)
    assert builder.store.parity()['problem'] == ''
    assert builder.open().backend == 'tensorrt'


def test_other_parity_file_checks_again(builder: Builder, tiny_parity: bytes) -> None:
    builder.obtain()
    with np.load(builder.store.parity_path) as archive:
        arrays = dict(archive)
    arrays['RGBD.labels'] = (arrays['RGBD.labels'] + 1) % 13
    np.savez(builder.store.parity_path, **arrays)
    with pytest.raises(ParityError, match='RGBD: expected the same label in'):
        builder.obtain()
    builder.store.parity_path.write_bytes(tiny_parity)
    builder.obtain()
    assert builder.toolkit.builds == 1


@pytest.mark.parametrize('damage', ['cut off', 'altered'])
def test_damaged_parity_file_is_not_held_against_the_engine(
    builder: Builder, tiny_parity: bytes, damage: str
) -> None:
    middle = len(tiny_parity) // 2
    altered = tiny_parity[: middle - 500] + b'\xff' * 1000 + tiny_parity[middle + 500 :]
    builder.store.parity_path.write_bytes(b'PK cut off' if damage == 'cut off' else altered)
    with pytest.raises(EngineError, match=r'tiny\.parity\.npz: is missing, damaged or of'):
        builder.obtain()
    assert builder.store.parity() == {}
    builder.store.parity_path.write_bytes(tiny_parity)
    builder.obtain()
    assert builder.toolkit.builds == 1


def test_model_without_a_parity_file_is_refused_before_the_build(builder: Builder) -> None:
    builder.store.parity_path.unlink()
    with pytest.raises(EngineError, match=r'tiny\.parity\.npz: no such file, and without it'):
        builder.obtain()
    assert builder.toolkit.builds == 0


def test_check_that_cannot_be_recorded_counts_all_the_same(
    builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = EngineError('x.json: cannot be written.')
    monkeypatch.setattr(EngineFile, 'record_parity', failing(problem))
    assert builder.obtain().backend == 'tensorrt'
    told = 'x.json: cannot be written. So the next start checks the engine again.'
    assert builder.said[-1] == told
    builder.toolkit.wrong_rows = 30
    with pytest.raises(ParityError):
        builder.open()
    assert builder.said[-2:] == [told, told]
