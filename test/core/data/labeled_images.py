"""Labeled images that tests write."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

SIZE = (24, 32)


def write_frame(folder: Path, name: str, seed: int, *, suffix: str = '.png') -> None:
    """Write one labeled image of `SIZE` in which nothing is constant."""
    generator = np.random.default_rng(seed)
    rgb = generator.integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    depth = generator.integers(800, 4000, SIZE).astype(np.uint16)
    labels = generator.integers(0, 3, SIZE).astype(np.uint8)
    files = {f'rgb/{name}{suffix}': rgb, f'depth/{name}.png': depth, f'labels/{name}.png': labels}
    for file, image in files.items():
        (folder / file).parent.mkdir(exist_ok=True, parents=True)
        assert cv2.imwrite(str(folder / file), image)
