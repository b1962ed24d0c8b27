"""Small trees of labeled images."""

from __future__ import annotations

from pathlib import Path

import cv2
from labeled_images import write_frame
import numpy as np
import pytest


@pytest.fixture
def plain_folder(tmp_path: Path) -> Path:
    """Twelve labeled images of someone's own, in three classes."""
    folder = tmp_path / 'mine'
    for index in range(12):
        write_frame(folder, f'{index:03d}', index)
    (folder / 'card.yaml').write_text('classes: [shelf, floor, robot]\n')
    return folder


@pytest.fixture
def nyu_folder(tmp_path: Path) -> Path:
    """A tree in NYUv2's layout with three training images, one of them in val."""
    (tmp_path / 'train.txt').write_text('0001\n0002\n0003\n')
    (tmp_path / 'val.txt').write_text('0002\n')
    (tmp_path / 'test.txt').write_text('0004\n')
    for kind in ('rgb', 'depth', 'label40'):
        (tmp_path / kind).mkdir()
    for name in ('0001', '0002', '0003', '0004'):
        cv2.imwrite(str(tmp_path / f'rgb/{name}.jpg'), np.full((4, 6, 3), 200, np.uint8))
        cv2.imwrite(str(tmp_path / f'depth/{name}.png'), np.full((4, 6), 1500, np.uint16))
        cv2.imwrite(str(tmp_path / f'label40/{name}.png'), np.full((4, 6), 4, np.uint8))
    return tmp_path
