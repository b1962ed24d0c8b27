"""A card may change; the weights beside it may not, and their hash tells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from m3l_core.errors import ModelError
from m3l_core.models import default_model
from m3l_core.weights_file import read_weights_card, weights_sha256, with_card

if TYPE_CHECKING:
    from m3l_core.network import LinearFusion

WEIGHTS = default_model().with_suffix('.safetensors')


def test_another_card_leaves_the_weights_alone(tmp_path: Path) -> None:
    before = WEIGHTS.read_bytes()
    card = replace(read_weights_card(WEIGHTS), metrics={'note': 'x' * 1001})
    after = with_card(before, card)
    (tmp_path / 'a.safetensors').write_bytes(after)
    assert read_weights_card(tmp_path / 'a.safetensors') == card
    assert weights_sha256(after) == weights_sha256(before)


def test_a_changed_weight_changes_the_hash() -> None:
    data = WEIGHTS.read_bytes()
    assert weights_sha256(data[:-1] + bytes([data[-1] ^ 1])) != weights_sha256(data)


def test_the_library_reads_what_was_rewritten(tiny_model: LinearFusion, tiny_files: Path) -> None:
    torch = pytest.importorskip('torch')
    from m3l_core import checkpoint

    path = tiny_files.with_suffix('.safetensors')
    copy = tiny_files.with_name('copy.safetensors')
    copy.write_bytes(
        with_card(path.read_bytes(), replace(read_weights_card(path), name='another'))
    )
    model, card = checkpoint.load(copy)
    assert card.name == 'another'
    for one, other in zip(model.parameters(), tiny_model.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    ('data', 'said'),
    [
        (b'', 'is damaged or no safetensors file'),
        (b'\x10' + bytes(7) + b'{', 'its header should end at byte 24, the file at 9'),
        (b'\x02' + bytes(7) + b'[]', 'its header is no mapping'),
        (b'\x02' + bytes(7) + b'{}', 'holds no model card'),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / 'a.safetensors'
    path.write_bytes(data)
    with pytest.raises(ModelError, match=said):
        read_weights_card(path)


def test_a_missing_file_is_refused() -> None:
    with pytest.raises(ModelError, match='No such file'):
        read_weights_card(Path('no.safetensors'))
