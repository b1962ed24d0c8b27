"""Images to train on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from halves import write_halves
import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Twelve images in NYUv2's layout: the left half is floor, the right half wall."""
    root = tmp_path / 'nyuv2'
    ids = [f'{i:04d}' for i in range(12)]
    write_halves(root, ids, {'train': ids[:10], 'val': ids[8:10], 'test': ids[10:]})
    return root
