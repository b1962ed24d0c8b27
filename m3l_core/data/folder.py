"""A plain folder of labelled RGB-D images: `rgb/`, `depth/`, `labels/` and a card."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from m3l_core.classes import NYU13
from m3l_core.config import load_yaml
from m3l_core.data.samples import read_depth_mm, read_ids, read_rgb, Sample
from m3l_core.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path


class Folder:
    """The images of a folder such as `m3l rooms` writes; those taken by index stay in memory.

    The folder holds `rgb/NAME.jpg`, `depth/NAME.png` (uint16 millimeters), `labels/NAME.png`
    (class indices, 255 = none) and `card.yaml`.

    Raises:
        DataError: If the folder holds no images, or those of other classes.
    """

    frame = 0

    def __init__(self, root: Path) -> None:
        self.root = root
        names = tuple(load_yaml(root / 'card.yaml').get('classes', ()))
        if names != NYU13.names:
            raise DataError(f'{root}/card.yaml: expected the classes {", ".join(NYU13.names)}.')
        self.classes = NYU13
        self.ids = sorted(path.stem for path in (root / 'rgb').glob('*.jpg'))
        if not self.ids:
            raise DataError(f'{root}/rgb: expected JPEG images, found none.')
        self._sample = lru_cache(maxsize=None)(self._read)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Sample:
        return self._sample(index)

    def _read(self, index: int) -> Sample:
        name = self.ids[index]
        return Sample(
            name=name,
            rgb=read_rgb(self.root / 'rgb' / f'{name}.jpg'),
            depth_mm=read_depth_mm(self.root / 'depth' / f'{name}.png'),
            labels=read_ids(self.root / 'labels' / f'{name}.png'),
        )
