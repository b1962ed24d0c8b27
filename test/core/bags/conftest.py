"""A bag that many tests read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from m3l_core.bags.writing import BagWriter


@pytest.fixture
def bag_path(tmp_path: Path) -> Path:
    """Three pairs of images, raw."""
    pytest.importorskip('rosbags')
    from small_bags import RGB

    path = tmp_path / 'bag'
    with BagWriter(path, transport='raw') as writer:
        for index in range(3):
            writer.write_rgb(RGB + index, 1_000 * index + 10)
            writer.write_depth(RGB[..., 0].astype(np.uint16), 1_000 * index + 10)
    return path
