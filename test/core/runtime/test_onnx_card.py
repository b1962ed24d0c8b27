"""Reading a card never does more than read it, whatever the bytes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given, HealthCheck, settings
from hypothesis import strategies as st
import pytest

from m3l_core.errors import ModelError
from m3l_core.runtime.onnx_card import read_onnx_card, with_card

if TYPE_CHECKING:
    from pathlib import Path

FUZZ = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FUZZ
@given(data=st.binary(max_size=200))
def test_any_bytes_are_refused_by_name(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / 'any.onnx'
    path.write_bytes(data)
    with pytest.raises(ModelError, match=r'any\.onnx'):
        read_onnx_card(path)


@FUZZ
@given(data=st.data())
def test_flipped_bytes_give_a_card_or_a_named_error(
    tiny_files: Path, tmp_path: Path, data: st.DataObject
) -> None:
    whole = bytearray(tiny_files.read_bytes())
    tail = len(whole) - 3000  # where the card is
    place = data.draw(st.integers(0, 60) | st.integers(tail, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    path = tmp_path / 'flipped.onnx'
    path.write_bytes(whole)
    with suppress(ModelError):
        read_onnx_card(path)


@pytest.mark.parametrize('length', [1, 200, 20_000])
def test_another_card_leaves_the_graph_alone(
    tiny_files: Path, tmp_path: Path, length: int
) -> None:
    onnx = pytest.importorskip('onnx')
    card = replace(read_onnx_card(tiny_files), metrics={'note': 'x' * length})
    path = tmp_path / 'another.onnx'
    path.write_bytes(with_card(tiny_files.read_bytes(), card))
    assert read_onnx_card(path) == card
    one, other = onnx.load(path), onnx.load(tiny_files)
    assert one.graph == other.graph
    assert one.opset_import == other.opset_import
    assert len(one.metadata_props) == 1
