"""Images to measure with come from parity files, and a damaged one is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from m3l_core.bench.frames import engine_inputs
from m3l_core.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    from m3l_core.model_card import ModelCard


def test_file_that_was_altered_inside_is_named(tmp_path: Path, tiny_card: ModelCard) -> None:
    """The archive's list is at its end and still whole: only unpacking finds the damage."""
    path = tmp_path / 'x.parity.npz'
    noise = np.random.default_rng(0).integers(0, 200, (2, 32, 48, 3), np.uint8)
    np.savez_compressed(path, rgb=noise, depth_mm=noise[..., 0].astype(np.uint16))
    data = bytearray(path.read_bytes())
    assert len(engine_inputs(path, tiny_card)) == 2
    data[100:1000] = b'\xff' * 900
    path.write_bytes(data)
    with pytest.raises(ModelError, match=r'x\.parity\.npz: expected the frames of a parity file'):
        engine_inputs(path, tiny_card)
