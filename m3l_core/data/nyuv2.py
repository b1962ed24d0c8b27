"""NYU Depth v2, the labelled set (Silberman et al., ECCV 2012), in 13 classes."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from m3l_core.classes import labels_from_nyu40
from m3l_core.data.samples import read_depth_mm, read_ids, read_rgb, Sample
from m3l_core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FRAME = 8
"""Width in pixels of the white border that every NYUv2 image has; nothing there is labelled."""

SPLITS = ('train', 'val', 'trainval', 'test')


class NyuV2:
    """The images of one split; those taken by index stay in memory.

    The folder holds `rgb/ID.jpg`, `depth/ID.png` (uint16 millimeters), `label40/ID.png` and the
    lists `train.txt` (795), `val.txt` (123 of the 795) and `test.txt` (654). The split `train`
    is without `val`; `trainval` is all 795.

    Raises:
        DataError: If the folder or one of its lists is missing.
    """

    def __init__(self, root: Path, split: str) -> None:
        self.root = root
        self.ids = _ids(root, split)
        self._sample = lru_cache(maxsize=None)(self._read)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Sample:
        return self._sample(index)

    def once(self) -> Iterator[Sample]:
        """Yield every sample without keeping it."""
        return map(self._read, range(len(self)))

    def _read(self, index: int) -> Sample:
        name = self.ids[index]
        sample = Sample(
            name=name,
            rgb=read_rgb(self.root / 'rgb' / f'{name}.jpg'),
            depth_mm=read_depth_mm(self.root / 'depth' / f'{name}.png'),
            labels=labels_from_nyu40(read_ids(self.root / 'label40' / f'{name}.png')),
        )
        size = sample.rgb.shape[:2]
        if not size == sample.depth_mm.shape == sample.labels.shape:
            raise DataError(
                f'{self.root}: the images of {name} differ in size: color {size}, depth '
                f'{sample.depth_mm.shape}, labels {sample.labels.shape}.'
            )
        return sample


def _ids(root: Path, split: str) -> list[str]:
    if split not in SPLITS:
        raise DataError(f'split: expected one of {", ".join(SPLITS)}, got {split!r}.')
    if split == 'trainval':
        return _list(root, 'train')
    if split == 'train':
        val = set(_list(root, 'val'))
        return [name for name in _list(root, 'train') if name not in val]
    return _list(root, split)


def _list(root: Path, name: str) -> list[str]:
    path = root / f'{name}.txt'
    if not path.is_file():
        raise DataError(f'{path}: there is no such file. Expected a folder that holds NYUv2.')
    names = path.read_text(encoding='utf-8').split()
    if not names:
        raise DataError(f'{path}: expected one image id in each line, got an empty file.')
    return names
