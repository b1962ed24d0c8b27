"""A small model with all that lies beside it, to build engines of."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from m3l_core.frames import RgbdFrame
    from m3l_core.model_card import ModelCard
    from m3l_core.network import LinearFusion


@pytest.fixture(scope='session')
def tiny_parity(tiny_model: LinearFusion, tiny_card: ModelCard, rooms: list[RgbdFrame]) -> bytes:
    """What `m3l export` writes beside a model, of one frame."""
    from m3l_core.export.parity import parity_file, Reference

    return parity_file(Reference(tiny_model, tiny_card), rooms[:1])


@pytest.fixture
def model(tiny_files: Path, tiny_parity: bytes, tmp_path: Path) -> Path:
    """An exported network with its parity file beside it, in a folder of its own."""
    pytest.importorskip('openvino')
    path = tmp_path / 'model' / 'tiny.onnx'
    path.parent.mkdir()
    shutil.copy(tiny_files, path)
    path.with_suffix('.parity.npz').write_bytes(tiny_parity)
    return path
