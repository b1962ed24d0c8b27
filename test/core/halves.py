"""Images that a network can learn in seconds: floor on the left, wall on the right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def write_halves(root: Path, ids: Sequence[str], splits: Mapping[str, Sequence[str]]) -> None:
    """Write one 48x64 image for each of `ids` and the lists of `splits`, in NYUv2's layout."""
    generator = np.random.default_rng(0)
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
    for split, part in splits.items():
        (root / f'{split}.txt').write_text('\n'.join(part))
