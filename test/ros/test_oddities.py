"""What the log is told of the cameras, and how often."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from m3l_core.preprocess import Letterbox
from m3l_perception.oddities import Oddities

SEGMENTER: Any = SimpleNamespace(letterbox=lambda size: Letterbox.fit(size, (480, 640)))


def labeled(height: int, width: int, *doubts: str) -> Any:
    """Return what is looked at of a labeled frame."""
    return SimpleNamespace(
        segmentation=SimpleNamespace(labels=np.zeros((height, width), np.uint8)),
        seen=SimpleNamespace(doubts=doubts),
    )


def test_padding_is_told_once_for_each_size_that_does_not_fit() -> None:
    infos: list[str] = []
    oddities = Oddities(infos.append, infos.append)
    for size in ((360, 640), (480, 640), (360, 640), (720, 1280)):
        oddities.tell(labeled(*size), SEGMENTER, depth_topic='/depth')
    assert infos == [
        f'{size} images leave 25% of the network to padding; '
        'm3l export --size HEIGHTxWIDTH makes one of their shape.'
        for size in ('640x360', '1280x720')
    ]


def test_doubts_that_never_repeat_are_not_told_for_ever() -> None:
    warnings: list[str] = []
    oddities = Oddities(warnings.append, warnings.append)
    for number in range(100):
        for _ in range(2):
            oddities.tell(labeled(480, 640, f'odd {number}'), SEGMENTER, depth_topic='/depth')
    assert warnings == [f'/depth: odd {number}' for number in range(32)]
