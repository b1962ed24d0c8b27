"""Bags of two small cameras, and pairs out of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from m3l_core.bags.writing import BagWriter
from m3l_core.extract import extract, ExtractConfig, Extraction

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytest.importorskip('rosbags')

START_NS = 1_700_000_000_000_000_000
PERIOD_NS = 100_000_000
SIZE = (48, 64)


def color(seed: int) -> NDArray[np.uint8]:
    """Return boxes before a wall, unlike those of any other seed."""
    rng = np.random.default_rng(seed)
    rgb = np.full((*SIZE, 3), rng.integers(40, 220, 3), np.uint8)
    for _ in range(8):
        x, y = (int(v) for v in rng.integers(0, 40, 2))
        fill = [int(v) for v in rng.integers(0, 255, 3)]
        cv2.rectangle(rgb, (x, y), (x + 12, y + 12), fill, -1)
    return rgb


def depth_mm(seed: int) -> NDArray[np.uint16]:
    return np.random.default_rng(seed).integers(900, 1100, SIZE).astype(np.uint16)


def write_bag(
    path: Path,
    colors: list[NDArray[np.uint8]],
    depths: list[NDArray[np.uint16] | None],
    transport: str = 'raw',
) -> Path:
    """Write a bag at 10 Hz, depth 5 ms behind color; None leaves an image out."""
    with BagWriter(path, transport=transport) as writer:  # type: ignore[arg-type]
        for index, (rgb, depth) in enumerate(zip(colors, depths, strict=True)):
            stamp_ns = START_NS + index * PERIOD_NS
            writer.write_rgb(rgb, stamp_ns)
            writer.write_camera_info(np.diag([50.0, 50.0, 1.0]), SIZE, stamp_ns)
            if depth is not None:
                writer.write_depth(depth, stamp_ns + 5_000_000)
    return path


def good_bag(path: Path, count: int = 6, transport: str = 'raw') -> Path:
    seeds = range(count)
    return write_bag(path, [color(i) for i in seeds], [depth_mm(i) for i in seeds], transport)


def run(out: Path, *bags: Path, workers: int = 1, **config: object) -> Extraction:
    return extract(bags, out, ExtractConfig(**config), workers=workers)  # type: ignore[arg-type]


def names(out: Path) -> list[str]:
    return sorted(path.stem for path in (out / 'rgb').iterdir())
