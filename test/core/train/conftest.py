"""Images to train on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Twelve images in NYUv2's layout: the left half is floor, the right half wall."""
    root = tmp_path / 'nyuv2'
    generator = np.random.default_rng(0)
    ids = [f'{i:04d}' for i in range(12)]
    for kind in ('rgb', 'depth', 'label40'):
        (root / kind).mkdir(parents=True)
    for name in ids:
        right = np.arange(64) >= generator.integers(16, 48)
        labels = np.tile(np.where(right, 1, 2).astype(np.uint8), (48, 1))
        rgb = np.where(labels[..., None] == 1, 220, 40) + generator.integers(0, 20, (48, 64, 3))
        cv2.imwrite(str(root / f'rgb/{name}.jpg'), rgb.astype(np.uint8))
        depth = np.where(labels == 1, 3000, 1000).astype(np.uint16)
        cv2.imwrite(str(root / f'depth/{name}.png'), depth)
        cv2.imwrite(str(root / f'label40/{name}.png'), labels)
    for split, part in (('train', ids[:10]), ('val', ids[8:10]), ('test', ids[10:])):
        (root / f'{split}.txt').write_text('\n'.join(part))
    return root
