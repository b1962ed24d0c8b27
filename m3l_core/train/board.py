"""Curves and sample predictions for TensorBoard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from torch.utils.tensorboard import SummaryWriter

from m3l_core.errors import M3lError
from m3l_core.frames import RgbdFrame
from m3l_core.overlay import overlay

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from m3l_core.classes import ClassSet
    from m3l_core.data.samples import Sample

_SIZE = (320, 240)


class Board:
    """Writes events for `tensorboard --logdir` under a run's folder.

    Args:
        folder: Where the event files go.
        classes: Names and colors.
        step: Where the run goes on; what was noted of later steps is dropped.

    Raises:
        M3lError: If it cannot be written into.
    """

    def __init__(self, folder: Path, classes: ClassSet, *, step: int) -> None:
        try:
            self._writer = SummaryWriter(str(folder), purge_step=step)
        except OSError as error:
            raise M3lError(f'{folder}: cannot be written into: {error.strerror}.') from error
        self._classes = classes

    def numbers(self, group: str, values: dict[str, float], *, step: int) -> None:
        """Add one point to the curve of each value."""
        for name, value in values.items():
            self._writer.add_scalar(f'{group}/{name}', value, step)

    def prediction(
        self, sample: Sample, predicted: dict[str, NDArray[np.uint8]], *, step: int
    ) -> None:
        """Add a row of pictures: the image, its truth, and the labels of each condition."""
        frame = RgbdFrame(sample.rgb, sample.depth_m)
        pictures = [
            overlay(frame, labels, self._classes)
            for labels in (sample.labels, *predicted.values())
        ]
        row = np.hstack([cv2.resize(picture, _SIZE) for picture in (sample.rgb, *pictures)])
        tag = f'{sample.name}: image, truth, {", ".join(predicted)}'
        self._writer.add_image(tag, row, step, dataformats='HWC')

    def close(self) -> None:
        """Write what is pending."""
        self._writer.close()
